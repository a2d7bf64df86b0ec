"""What a batch's features would contribute, a few rows at a time, so that the whole [batch, d_sae] never exists."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.core.shapes import Codes
from mechlab.dictionaries.sparse import Kept

TILE_NUMBERS = 1 << 22
GROUPS = 8
SAMPLE_ROWS, DENSE_ABOVE = 32, 40
MARGINS = (1.3, 2.0, 4.0)


@dataclass(frozen=True)
class Tiles:
    """Pre-activations of centred inputs, each in units of `scale` if that is given.

    Iterating yields (first row, contributions of the tile's rows); the tile is overwritten by the next one.
    """

    centred: Float[Tensor, "batch d_in"]
    encoder: Float[Tensor, "d_sae d_in"]
    b_enc: Float[Tensor, "d_sae"]
    scale: Float[Tensor, "d_sae"] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Return batch and d_sae."""
        return len(self.centred), len(self.encoder)

    def __iter__(self) -> Iterator[tuple[int, Codes]]:
        batch, d_sae = self.shape
        n_rows = min(batch, max(1, TILE_NUMBERS // d_sae))
        space = self.centred.new_empty(n_rows, d_sae)
        bias = self.b_enc if self.scale is None else self.b_enc * self.scale
        for start in range(0, batch, n_rows):
            rows = self.centred[start : start + n_rows]
            tile = torch.mm(rows, self.encoder.T, out=space[: len(rows)])
            yield start, tile.add_(bias) if self.scale is None else torch.addcmul(bias, tile, self.scale, out=tile)

    def first_rows(self) -> Codes:
        """Return the contributions of a few rows."""
        return replace(self, centred=self.centred[:SAMPLE_ROWS]).whole()

    def whole(self) -> Codes:
        """Return the contributions of the whole batch."""
        return torch.cat([tile.clone() for _, tile in self])


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
    batch, d_sae = tiles.shape
    columns = torch.empty(batch, k, dtype=torch.int64, device=tiles.encoder.device)
    values = tiles.centred.new_empty(batch, k)
    for start, tile in tiles:
        stop = start + len(tile)
        values[start:stop], columns[start:stop] = row_topk(tile, k)
    return Chosen(Kept.fixed(columns, d_sae), values.flatten())


def row_topk(values: Codes, k: int) -> tuple[Float[Tensor, "batch k"], Int[Tensor, "batch k"]]:
    """Return the k largest values of each row and where they are, in no order.

    The k largest lie in the k groups whose maxima are largest, so only those are searched.
    """
    batch, d_sae = values.shape
    n_groups = d_sae // GROUPS
    if d_sae % GROUPS or n_groups < 4 * k:
        best = values.topk(k, dim=-1, sorted=False)
        return best.values, best.indices
    grouped = values.view(batch, GROUPS, n_groups)
    groups = grouped.amax(1).topk(k, dim=-1, sorted=False).indices
    members = grouped.gather(2, groups[:, None].expand(batch, GROUPS, k)).flatten(1)
    best = members.topk(k, dim=-1, sorted=False)
    group, member = best.indices % k, best.indices // k
    return best.values, member * n_groups + groups.gather(1, group)


def largest_of_batch(tiles: Tiles, count: int) -> Chosen:
    """Return the `count` largest positive contributions of the batch (all positive ones if fewer)."""
    floors = _falling_floors(tiles, count)
    found = above(tiles, next(floors))
    for floor in floors:
        if len(found.contributions) >= count:
            break
        found = above(tiles, floor)
    if len(found.contributions) <= count:
        return found
    best = found.contributions.topk(count, sorted=False).indices
    return found.only(torch.zeros_like(found.contributions, dtype=torch.bool).index_fill_(0, best, True))


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
