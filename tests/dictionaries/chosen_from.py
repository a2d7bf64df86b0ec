"""Tiles to choose from, and what they are when computed at once."""

import torch

from mechlab.dictionaries.tiles import Tiles


def tiles_of(batch: int, d_sae: int, *, seed: int = 0, scaled: bool = True, shift: float = 0.0) -> Tiles:
    draw = torch.Generator().manual_seed(seed)
    rows, encoder = torch.randn(batch, 6, generator=draw), torch.randn(d_sae, 6, generator=draw)
    bias, scale = torch.randn(d_sae, generator=draw) + shift, torch.rand(d_sae, generator=draw) + 0.5
    return Tiles(rows, encoder, bias, scale if scaled else None)


def dense(tiles: Tiles) -> torch.Tensor:
    pre = tiles.centred @ tiles.encoder.T + tiles.b_enc
    return pre if tiles.scale is None else pre * tiles.scale
