"""Several hold parts of the values; together they choose what sorting all of them would."""

import pytest
import torch
from oracles.thread_group import together

from mechlab.dictionaries.batchtopk import largest
from mechlab.training.parallel.choice import best_of_rows_here, largest_here


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 7, 250, 600, 5000])
@pytest.mark.parametrize("lopsided", [False, True])
def test_the_largest_of_all_are_those_that_sorting_finds(n: int, count: int, lopsided: bool) -> None:
    values = torch.randn(n, 400, generator=torch.Generator().manual_seed(count))
    if lopsided:
        values[0] += 5.0  # one process has nearly all of the answer
    kept = together(n, lambda group: largest_here(group, values[group.rank], count, largest))
    mine = {(rank, int(place)) for rank, places in enumerate(kept) for place in places}
    order = values.flatten().argsort(descending=True)[:count]
    wanted = {divmod(int(place), 400) for place in order if values.flatten()[place] > 0}
    assert mine == wanted
    assert all(torch.equal(places, places.sort().values) for places in kept)


def test_of_equal_values_exactly_as_many_as_asked_are_taken() -> None:
    values = torch.ones(3, 50)
    kept = together(3, lambda group: largest_here(group, values[group.rank], 20, largest))
    assert sum(map(len, kept)) == 20


@pytest.mark.parametrize("widths", [(10, 10), (2, 0, 30), (4, 1, 1, 9)])
def test_the_best_of_each_row_are_those_that_sorting_finds(widths: tuple[int, ...]) -> None:
    parts = torch.randn(6, sum(widths), generator=torch.Generator().manual_seed(1)).split(widths, dim=1)
    found = together(len(widths), lambda group: best_of_rows_here(group, parts[group.rank], 5))
    whole, starts = torch.cat(parts, dim=1), torch.tensor([0, *widths]).cumsum(0)
    for row in range(6):
        mine = {
            int(starts[rank]) + column
            for rank, (columns, chosen) in enumerate(found)
            for column in columns[row][chosen[row]].tolist()
        }
        assert mine == set(whole[row].topk(5).indices.tolist())
