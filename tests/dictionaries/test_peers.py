"""Alone, a dictionary's questions to its peers are answered by what is here."""

import torch

from mechlab.dictionaries.peers import ALONE
from mechlab.dictionaries.tiles import Tiles

VALUES = torch.tensor([[1.0, 5.0, -1.0, 4.0], [0.0, -3.0, -2.0, -9.0], [2.0, 0.5, 0.0, 3.0]])
TILES = Tiles(VALUES, torch.eye(4), torch.zeros(4), None)


def test_alone_nothing_is_added_or_lost() -> None:
    partial, b_dec = torch.randn(3, 4), torch.randn(4)
    assert torch.equal(ALONE.joined(partial, b_dec), partial + b_dec)
    assert ALONE.over_features(partial) is partial
    assert ALONE.once(b_dec) is b_dec
    assert ALONE.count(7) == 7
    assert ALONE.has_all_features


def test_the_best_of_a_row_are_its_largest_values() -> None:
    kept = ALONE.best_of_row(TILES, 2).kept
    assert [set(row.tolist()) for row in kept.columns.view(3, 2)] == [{1, 3}, {0, 2}, {0, 3}]
    assert ALONE.mask_of_best(VALUES, 2).tolist() == [[0, 1, 0, 1], [1, 0, 1, 0], [1, 0, 0, 1]]


def test_the_best_of_a_batch_are_as_many_as_its_rows_allow() -> None:
    best = ALONE.best_of_batch(TILES, 1.5)
    assert best.contributions.tolist() == [5, 4, 2, 3]
    assert best.kept.rows.tolist() == [0, 0, 2, 2]


def test_the_smallest_of_nothing_is_none() -> None:
    assert ALONE.smallest(torch.zeros(0)) is None
    assert ALONE.smallest(torch.tensor([3.0, 2.0, 9.0])) == 2
