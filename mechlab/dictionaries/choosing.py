"""Which codes of a batch are kept: the largest of each row, the largest of the batch, or all above a floor."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.core.shapes import Codes
from mechlab.dictionaries.screening import (
    FEW_OF_BATCH,
    FEW_OF_ROW,
    UpperBounds,
    contributions_of,
    in_order_of_bounds,
    pays,
)
from mechlab.dictionaries.sparse import Kept
from mechlab.dictionaries.tiles import SAMPLE_ROWS, Tiles

GROUPS, ANY_GROUPS = 8, (10, 8, 5, 4)
DENSE_ABOVE = 40
MARGINS = (1.3, 2.0, 4.0)
SPARE, MANY_UNSURE = 8, 1 / 4


class RowTopK(NamedTuple):
    """The largest values of each row and where they are, in no order."""

    values: Float[Tensor, "batch k"]
    indices: Int[Tensor, "batch k"]


@dataclass(frozen=True)
class Chosen:
    """Which codes are kept, and what each would contribute."""

    kept: Kept
    contributions: Float[Tensor, "n_kept"]

    def only(self, mask: Bool[Tensor, "n_kept"]) -> "Chosen":
        """Return those that the mask names."""
        offsets = torch.nn.functional.pad(mask.cumsum(0), (1, 0))[self.kept.offsets]
        return Chosen(Kept(self.kept.columns[mask], offsets, self.kept.d_sae), self.contributions[mask])


def largest_of_rows(tiles: Tiles, k: int) -> Chosen:
    """Return the k largest contributions of each row."""
    n_likely = 2 * k + SPARE
    screened = pays(tiles, n_likely / tiles.shape[1], FEW_OF_ROW)
    best = _screened_rows(tiles, k, n_likely) if screened else _largest_of_rows(tiles, k)
    return Chosen(Kept.fixed(best.indices, tiles.shape[1]), best.values.flatten())


def _screened_rows(tiles: Tiles, k: int, n_likely: int) -> RowTopK:
    """Return what `_largest_of_rows` does, by way of upper bounds; it goes on without them if they leave too many."""
    batch, _ = tiles.shape
    screen, best, unsure = in_order_of_bounds(tiles), _nothing_yet(tiles, k), []
    for start, tile in screen:
        stop = start + len(tile)
        likely = row_topk(tile, n_likely)
        found = _largest_of_likely(replace(tiles, centred=tiles.centred[start:stop]), likely.indices, k)
        best.values[start:stop], best.indices[start:stop] = found
        # What is positive and was not looked at lies below the lowest bound; a row whose k-th does, too, is done again.
        lowest = screen.bounds(likely.values.amin(1), start).clamp(min=0.0)
        unsure.append(start + (found.values.amin(1) < lowest).nonzero().squeeze(1))
        if start == 0 and len(unsure[0]) > MANY_UNSURE * stop:
            unsure.append(torch.arange(stop, batch))
            break
    again = torch.cat(unsure)
    if len(again):
        best.values[again], best.indices[again] = _largest_of_rows(replace(tiles, centred=tiles.centred[again]), k)
    return best


def _largest_of_rows(tiles: Tiles, k: int) -> RowTopK:
    best = _nothing_yet(tiles, k)
    for start, tile in tiles:
        stop = start + len(tile)
        best.values[start:stop], best.indices[start:stop] = row_topk(tile, k)
    return best


def _nothing_yet(tiles: Tiles, k: int) -> RowTopK:
    batch, _ = tiles.shape
    columns = torch.empty(batch, k, dtype=torch.int64, device=tiles.encoder.device)
    return RowTopK(tiles.centred.new_empty(batch, k), columns)


def _largest_of_likely(tiles: Tiles, columns: Int[Tensor, "rows few"], k: int) -> RowTopK:
    exact = contributions_of(tiles, Kept.fixed(columns, tiles.shape[1])).view(columns.shape)
    best = exact.topk(k, dim=-1, sorted=False)
    return RowTopK(best.values, columns.gather(1, best.indices))


def row_topk(values: Codes, k: int) -> RowTopK:
    """Return the k largest values of each row and where they are, in no order.

    The k largest lie in the k groups whose maxima are largest, so only those are searched; so it is with the maxima.
    """
    batch, d_sae = values.shape
    size = next((size for size in ANY_GROUPS if d_sae % size == 0 and d_sae // size >= 4 * k), None)
    if size is None:
        best = values.topk(k, dim=-1, sorted=False)
        return RowTopK(best.values, best.indices)
    n_groups = d_sae // size
    grouped = values.view(batch, size, n_groups)
    groups = row_topk(grouped.amax(1), k).indices
    members = grouped.gather(2, groups[:, None].expand(batch, size, k)).flatten(1)
    best = members.topk(k, dim=-1, sorted=False)
    group, member = best.indices % k, best.indices // k
    return RowTopK(best.values, member * n_groups + groups.gather(1, group))


def largest_of_batch(tiles: Tiles, count: int) -> Chosen:
    """Return the `count` largest positive contributions of the batch (all positive ones if fewer)."""
    batch, d_sae = tiles.shape
    look = _screened if pays(tiles, count / (batch * d_sae), FEW_OF_BATCH) else above
    floors = _falling_floors(tiles, count)
    found = look(tiles, next(floors))
    for floor in floors:
        if len(found.contributions) >= count:
            break
        found = look(tiles, floor)
    if len(found.contributions) <= count:
        return found
    best = found.contributions.topk(count, sorted=False).indices
    return found.only(torch.zeros_like(found.contributions, dtype=torch.bool).index_fill_(0, best, True))


def _screened(tiles: Tiles, floor: float) -> Chosen:
    """Return what `above` does, by way of upper bounds."""
    likely = above(UpperBounds(**vars(tiles)), floor).kept
    exact = contributions_of(tiles, likely)
    return Chosen(likely, exact).only(exact > floor)


def above(tiles: Tiles, floor: float) -> Chosen:
    """Return the contributions above a number that is not negative, in ascending order of place."""
    batch, d_sae = tiles.shape
    places, values = [], []
    for start, tile in tiles:
        inside = _places_above(tile, floor)
        values.append(torch.take(tile, inside))
        places.append(inside + start * d_sae)
    return Chosen(Kept.flat(torch.cat(places), batch, d_sae), torch.cat(values))


def is_sparse(tiles: Tiles, floor: float = 0.0) -> bool:
    """Return whether so few contributions exceed the floor that touching only those is quicker, by a few rows."""
    sample = tiles.first_rows()
    return int((sample > floor).sum()) * DENSE_ABOVE < sample.numel()


def _places_above(values: Codes, floor: float) -> Int[Tensor, "n_found"]:
    """Return the ascending flat places of values above the floor, looking into those groups whose maximum is."""
    batch, d_sae = values.shape
    if d_sae % GROUPS:
        return (values > floor).flatten().nonzero().squeeze(1)
    n_groups = d_sae // GROUPS
    group = (values.view(batch, GROUPS, n_groups).amax(1) > floor).flatten().nonzero().squeeze(1)
    first = (group // n_groups) * d_sae + group % n_groups
    members = first + torch.arange(GROUPS, device=values.device)[:, None] * n_groups
    return members[torch.take(values, members) > floor].sort().values


def _falling_floors(tiles: Tiles, count: int) -> Iterator[float]:
    """Yield numbers that more and more contributions exceed, the first somewhat more than `count`, by a few rows."""
    sample = tiles.first_rows()
    expected = count * len(sample) / tiles.shape[0]
    ranked = sample.flatten().topk(min(sample.numel(), int(MARGINS[-1] * expected) + SAMPLE_ROWS), sorted=True).values
    for margin in MARGINS:
        floor = float(ranked[min(len(ranked) - 1, int(margin * expected) + SAMPLE_ROWS)])
        if floor > 0.0:
            yield floor
    yield 0.0
