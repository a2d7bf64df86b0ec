"""Layer by layer, tiles hold what each layer's vectors are to that layer's features."""

import pytest
import torch

from mechlab.dictionaries import tiles as tiling
from mechlab.dictionaries.layer_tiles import LayerTiles
from mechlab.dictionaries.tiles import SAMPLE_ROWS

N, BATCH, FEATURES = 3, 40, 16


def layer_tiles(*, scaled: bool) -> LayerTiles:
    draw = torch.Generator().manual_seed(0)
    rows, encoder = torch.randn(N * BATCH, 5, generator=draw), torch.randn(N * FEATURES, 5, generator=draw)
    bias, scale = torch.randn(N * FEATURES, generator=draw), torch.rand(N * FEATURES, generator=draw) + 0.5
    return LayerTiles(rows, encoder, bias, scale if scaled else None, N)


def one_layer(tiles: LayerTiles, layer: int) -> torch.Tensor:
    own = slice(layer * FEATURES, (layer + 1) * FEATURES)
    pre = tiles.centred[layer * BATCH : (layer + 1) * BATCH] @ tiles.encoder[own].T + tiles.b_enc[own]
    return pre if tiles.scale is None else pre * tiles.scale[own]


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("numbers", [7 * FEATURES, 1 << 22])
def test_each_layers_rows_meet_its_own_features(scaled: bool, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "TILE_NUMBERS", numbers)
    tiles = layer_tiles(scaled=scaled)
    found = torch.full(tiles.shape, torch.nan)
    for start, tile in tiles:
        found[start : start + len(tile)] = tile
    torch.testing.assert_close(found, torch.cat([one_layer(tiles, layer) for layer in range(N)]))


def test_every_layer_has_part_in_the_sample() -> None:
    tiles = layer_tiles(scaled=True)
    wanted = torch.cat([one_layer(tiles, layer)[:SAMPLE_ROWS] for layer in range(N)])
    torch.testing.assert_close(tiles.first_rows(), wanted)
