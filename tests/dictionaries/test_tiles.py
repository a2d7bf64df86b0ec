"""Tiles: together they are the contributions of the whole batch."""

import pytest
import torch

from mechlab.dictionaries import tiles as tiling
from tests.dictionaries.chosen_from import dense, tiles_of


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("numbers", [1, 100, 1 << 22])
def test_the_tiles_together_are_the_contributions_of_the_batch(scaled: bool, numbers: int, monkeypatch) -> None:
    monkeypatch.setattr(tiling, "TILE_NUMBERS", numbers)
    tiles = tiles_of(13, 24, scaled=scaled)
    torch.testing.assert_close(tiles.whole(), dense(tiles))


@pytest.mark.parametrize(("numbers", "n_rows"), [(144, 3), (143, 5)])
def test_a_tile_is_half_as_large_where_the_encoder_is_no_larger_than_one(
    numbers: int, n_rows: int, monkeypatch
) -> None:
    tiles = tiles_of(13, 24)
    monkeypatch.setattr(tiling, "TILE_NUMBERS", numbers)
    assert len(next(iter(tiles))[1]) == n_rows
