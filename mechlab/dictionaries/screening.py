"""Which contributions may exceed a floor, told by products of matrices rounded to bfloat16, at half of float32's time.

1. Rounding both factors changes a product of two vectors by at most `2**-8 |x| |w|` (Cauchy-Schwarz), and rounding the
   product by at most `2**-9` of it.
2. So the rounded product, raised by that much, is an upper bound of the true one wherever that is positive.
3. What lies below the floor by its upper bound is out; the few left are computed in float32.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.multiply import multiplier
from mechlab.core.products import bfloat16_is_fast
from mechlab.core.shapes import Codes
from mechlab.dictionaries.sparse import Kept, dot_rows
from mechlab.dictionaries.tiles import Tiles

OF_FACTORS, OF_PRODUCT = 2**-8 + 2**-12, 2**-8
WIDE, MANY = 256, 4096
FEW_OF_BATCH, FEW_OF_ROW = 1 / 300, 1 / 100


def pays(tiles: Tiles, share: float, few: float) -> bool:
    """Return whether upper bounds first is quicker, where contributions are to be exact.

    Args:
        tiles: what is looked through.
        share: the part of it that is to be computed in float32 afterwards.
        few: up to which part that is worth it.
    """
    _, d_sae = tiles.shape
    if share > few:
        return False
    rows = tiles.centred
    large = rows.shape[1] >= WIDE and d_sae >= MANY and tiles.one_set_of_features
    here = multiplier().exact and rows.device.type == "cpu" and rows.dtype == torch.float32
    return large and here and bfloat16_is_fast()


@dataclass(frozen=True)
class UpperBounds(Tiles):
    """Upper bounds of all contributions that are positive, a few rows at a time."""

    def __iter__(self) -> Iterator[tuple[int, Codes]]:
        encoder, lengths = self.encoder.bfloat16().T, self.encoder.norm(dim=-1)
        scale = torch.ones_like(lengths) if self.scale is None else self.scale
        by_norm, gain = OF_FACTORS * lengths * scale, (1 + OF_PRODUCT) * scale
        # A product below zero that its bias lifts above zero is smaller than the bias.
        bias = None if self.b_enc is None else (self.b_enc + 2 * OF_PRODUCT * self.b_enc.relu()) * scale
        for start, rows, tile in self.parts():
            norms = rows.norm(dim=-1, keepdim=True)
            torch.mul(norms, by_norm, out=tile) if bias is None else torch.addcmul(bias, norms, by_norm, out=tile)
            yield start, tile.addcmul_((rows.bfloat16() @ encoder).float(), gain)

    def bounds(self, values: Float[Tensor, "rows"], start: int) -> Float[Tensor, "rows"]:
        """Return the upper bounds that belong to a value of each row from the first on: the values themselves."""
        return values


@dataclass(frozen=True)
class Rounded(Tiles):
    """Products of rounded matrices without bias or scale: those of a row are in the order of their upper bounds."""

    def __iter__(self) -> Iterator[tuple[int, Codes]]:
        encoder = self.encoder.bfloat16().T
        for start, rows, tile in self.parts():
            yield start, tile.copy_(rows.bfloat16() @ encoder)

    @cached_property
    def slack(self) -> Float[Tensor, "batch"]:
        """How much rounding the factors may change a row's products by."""
        return OF_FACTORS * self.encoder.norm(dim=-1).max() * self.centred.norm(dim=-1)

    def bounds(self, values: Float[Tensor, "rows"], start: int) -> Float[Tensor, "rows"]:
        """Return the upper bounds that belong to a product of each row from the first on."""
        return values * (1 + OF_PRODUCT) + self.slack[start : start + len(values)]


def in_order_of_bounds(tiles: Tiles) -> UpperBounds | Rounded:
    """Return what is to be looked through for the largest upper bounds of each row."""
    plain = tiles.b_enc is None and tiles.scale is None
    return Rounded(**vars(tiles)) if plain else UpperBounds(**vars(tiles))


def contributions_of(tiles: Tiles, kept: Kept) -> Float[Tensor, "n_kept"]:
    """Return the contributions at some places, in float32."""
    found = dot_rows(tiles.centred, tiles.encoder, kept)
    if tiles.b_enc is not None:
        found = found.add_(tiles.b_enc[kept.columns])
    return found if tiles.scale is None else found.mul_(tiles.scale[kept.columns])
