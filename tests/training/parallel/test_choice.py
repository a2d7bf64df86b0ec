"""Several hold parts of the values; together they choose what sorting all of them would."""

import pytest
import torch
from oracles.thread_group import together

from mechlab.dictionaries.tiles import Tiles
from mechlab.training.parallel.choice import best_of_batch_here, best_of_rows_here, largest_here


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 7, 250, 600, 5000])
@pytest.mark.parametrize("lopsided", [False, True])
def test_the_largest_of_all_are_those_that_sorting_finds(n: int, count: int, lopsided: bool) -> None:
    values = torch.randn(n, 400, generator=torch.Generator().manual_seed(count))
    values[values < -1.5] = 0.0  # nothing is not among the largest, however many are asked for
    if lopsided:
        values[0] += 5.0  # one process has nearly all of the answer
    order = values.flatten().argsort(descending=True)[:count]
    wanted = torch.zeros(n * 400, dtype=torch.bool).index_fill_(0, order, True).view(n, 400) & (values > 0)
    assert torch.equal(torch.stack(together(n, lambda group: largest_here(group, values[group.rank], count))), wanted)
    tiles = [Tiles(own.view(20, 20), torch.eye(20), torch.zeros(20), None) for own in values]
    chosen = together(n, lambda group: best_of_batch_here(group, tiles[group.rank], count))
    for own, best, here in zip(values, chosen, wanted, strict=True):
        assert torch.equal(best.kept.rows * 20 + best.kept.columns, here.nonzero().squeeze(1))
        assert torch.equal(best.contributions, own[here])


def test_of_equal_values_exactly_as_many_as_asked_are_taken() -> None:
    values = torch.ones(3, 50)
    chosen = together(3, lambda group: largest_here(group, values[group.rank], 20))
    assert torch.stack(chosen).sum() == 20


@pytest.mark.parametrize("widths", [(10, 10), (2, 0, 30), (4, 1, 1, 9)])
def test_the_best_of_each_row_are_those_that_sorting_finds(widths: tuple[int, ...]) -> None:
    parts = torch.randn(6, sum(widths), generator=torch.Generator().manual_seed(1)).split(widths, dim=1)
    largest = [part.topk(min(5, part.shape[1])).values for part in parts]
    chosen = together(len(widths), lambda group: best_of_rows_here(group, largest[group.rank], 5))
    best = torch.cat([own.masked_fill(~mask, -torch.inf) for own, mask in zip(largest, chosen, strict=True)], dim=1)
    assert torch.stack([mask.sum(1) for mask in chosen]).sum(0).tolist() == [5] * 6
    assert torch.equal(best.topk(5).values, torch.cat(parts, dim=1).topk(5).values)
