"""Batches go through the rows in the order drawn, begin again at its end, and any of them can be had at once."""

import torch

from mechlab.corpora.batches import RowBatches
from mechlab.corpora.rows import TokenRows


def test_batches_go_through_the_rows_in_order_and_begin_again():
    source = RowBatches(torch.arange(5)[:, None].repeat(1, 3), torch.tensor([4, 2, 0, 1, 3]), 2)
    assert [source.batch(step)[:, 0].tolist() for step in range(4)] == [[4, 2], [0, 1], [3, 4], [2, 0]]


def test_every_row_comes_once_in_an_order_of_the_seed():
    tokens = torch.arange(60).view(20, 3).int()
    rows = TokenRows(tokens, torch.zeros(20, 3, dtype=torch.bool), "rows")
    one, same, other = (RowBatches.shuffled(rows, 4, seed) for seed in (0, 0, 1))
    seen = torch.cat([one.batch(step) for step in range(5)])
    assert sorted(seen[:, 0].tolist()) == tokens[:, 0].tolist() and seen[:, 0].tolist() != tokens[:, 0].tolist()
    assert torch.equal(one.batch(3), same.batch(3)) and not torch.equal(one.batch(0), other.batch(0))
