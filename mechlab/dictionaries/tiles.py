"""What a batch's features would contribute, a few rows at a time, so that the whole [batch, d_sae] never exists."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.multiply import multiplier
from mechlab.core.shapes import Codes, Inputs

TILE_NUMBERS, TILE_NUMBERS_ELSEWHERE = 1 << 22, 1 << 28  # in a processor's cache, on an accelerator
SAMPLE_ROWS = 32


@dataclass(frozen=True)
class Tiles:
    """Pre-activations of centred inputs, each in units of `scale` if that is given; `b_enc` None is a bias of zero.

    Iterating yields (first row, contributions of the tile's rows); the tile is overwritten by the next one.
    """

    one_set_of_features: ClassVar[bool] = True

    centred: Float[Tensor, "batch d_in"]
    encoder: Float[Tensor, "d_sae d_in"]
    b_enc: Float[Tensor, "d_sae"] | None
    scale: Float[Tensor, "d_sae"] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Return batch and d_sae."""
        return len(self.centred), len(self.encoder)

    def __iter__(self) -> Iterator[tuple[int, Codes]]:
        bias, scale, by = self.bias, self.scale, multiplier()
        for start, rows, space in self.parts():
            tile = by.product(rows, self.encoder.T, out=space)
            if bias is None:
                yield start, tile if scale is None else tile.mul_(scale)
            else:
                yield start, tile.add_(bias) if scale is None else torch.addcmul(bias, tile, scale, out=tile)

    @property
    def bias(self) -> Float[Tensor, "d_sae"] | None:
        """The bias in the units of contributions."""
        return self.b_enc if self.b_enc is None or self.scale is None else self.b_enc * self.scale

    def parts(self) -> Iterator[tuple[int, Inputs, Codes]]:
        """Yield the first row, the rows, and the space for the contributions of each tile."""
        batch, d_sae = self.shape
        n_rows = min(batch, max(1, self._numbers // d_sae))
        space = self.centred.new_empty(n_rows, d_sae)
        for start in range(0, batch, n_rows):
            rows = self.centred[start : start + n_rows]
            yield start, rows, space[: len(rows)]

    @property
    def _numbers(self) -> int:
        """How many contributions a tile holds; half of them where a small encoder is soon read once more."""
        if self.centred.device.type != "cpu":
            return TILE_NUMBERS_ELSEWHERE
        return TILE_NUMBERS // 2 if self.encoder.numel() <= TILE_NUMBERS else TILE_NUMBERS

    def first_rows(self) -> Codes:
        """Return the contributions of a few rows."""
        return replace(self, centred=self.centred[:SAMPLE_ROWS]).whole()

    def whole(self) -> Codes:
        """Return the contributions of the whole batch."""
        return torch.cat([tile.clone() for _, tile in self])
