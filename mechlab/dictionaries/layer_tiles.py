"""Tiles of a batch of several layers, each with features of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from mechlab.core.shapes import Codes
from mechlab.dictionaries.tiles import Tiles


@dataclass(frozen=True)
class LayerTiles(Tiles):
    """Tiles of a batch layer by layer: row `l * batch + b` is what vector b holds of layer l, on l's features."""

    one_set_of_features = False

    n_layers: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return the number of rows of all layers, and the features of one."""
        return len(self.centred), len(self.encoder) // self.n_layers

    @property
    def layers(self) -> list[Tiles]:
        """The tiles of each layer."""
        n = self.n_layers
        biases, scales = ([None] * n if own is None else own.chunk(n) for own in (self.b_enc, self.scale))
        parts = zip(self.centred.chunk(n), self.encoder.chunk(n), biases, scales, strict=True)
        return [Tiles(*part) for part in parts]

    def __iter__(self) -> Iterator[tuple[int, Codes]]:
        for layer, tiles in enumerate(self.layers):
            for start, tile in tiles:
                yield layer * len(tiles.centred) + start, tile

    def first_rows(self) -> Codes:
        """Return the contributions of a few rows of each layer."""
        return torch.cat([tiles.first_rows() for tiles in self.layers])
