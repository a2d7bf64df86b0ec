"""Screening: upper bounds are upper bounds, and what is chosen by them is what float32 chooses."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechlab.core.multiply import multiplication
from mechlab.dictionaries import choosing, screening
from mechlab.dictionaries import tiles as tiling
from mechlab.dictionaries.choosing import largest_of_batch, largest_of_rows
from mechlab.dictionaries.screening import Rounded, UpperBounds, contributions_of, pays
from mechlab.dictionaries.sparse import Kept
from mechlab.dictionaries.tiles import Tiles

BATCH, D_IN, D_SAE = 24, 48, 160


def uneven(seed: int, spread: float = 1.0, shift: float = 0.0) -> Tiles:
    """Rows, features and scales of very different sizes, biases of both signs."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=draw)

    rows = normal(BATCH, D_IN) * (spread * normal(BATCH, 1)).exp()
    encoder = normal(D_SAE, D_IN) * (spread * normal(D_SAE, 1)).exp()
    return Tiles(rows, encoder, 5 * normal(D_SAE) + shift, (spread * normal(D_SAE)).exp())


def in_float64(tiles: Tiles) -> torch.Tensor:
    assert tiles.scale is not None
    rows, encoder = tiles.centred.double(), tiles.encoder.double()
    return (rows @ encoder.T + tiles.b_enc.double()) * tiles.scale.double()


@pytest.fixture
def screened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Screen whatever the size and the processor."""
    monkeypatch.setattr(choosing, "pays", lambda *_: True)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9999), st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from([-20.0, 0.0, 20.0]))
def test_no_positive_contribution_exceeds_its_bound(seed: int, spread: float, shift: float) -> None:
    tiles = uneven(seed, spread, shift)
    true, bounds = in_float64(tiles), UpperBounds(**vars(tiles)).whole().double()
    assert bool((bounds >= true)[true > 0].all())


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
def test_so_it_is_without_bias_or_scale(biased: bool, scaled: bool) -> None:
    whole = uneven(8, 1.0)
    parts = replace(whole, b_enc=whole.b_enc if biased else None, scale=whole.scale if scaled else None)
    as_zero = replace(whole, b_enc=parts.b_enc if biased else torch.zeros(D_SAE))
    true = in_float64(replace(as_zero, scale=whole.scale if scaled else torch.ones(D_SAE)))
    torch.testing.assert_close(parts.whole().double(), true, rtol=1e-4, atol=1e-4)
    assert bool((UpperBounds(**vars(parts)).whole().double() >= true)[true > 0].all())
    kept = Kept.flat(torch.tensor([0, 7, 161, BATCH * D_SAE - 1]), BATCH, D_SAE)
    torch.testing.assert_close(contributions_of(parts, kept).double(), kept.gather(true), rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 9999), st.floats(-0.999, 0.999))
def test_it_is_a_bound_where_rounding_is_worst(seed: int, part: float) -> None:
    # Every number lies halfway between two of bfloat16 and all errors point the same way.
    ties = torch.tensor([1 + 2.0**-8, 1 + 3 * 2.0**-8])
    draw = torch.Generator().manual_seed(seed)
    value = ties[torch.randint(2, (1,), generator=draw)]
    tiles = Tiles(value.expand(4, D_IN).clone(), value.expand(8, D_IN).clone(), torch.full((8,), part), torch.ones(8))
    assert bool((UpperBounds(**vars(tiles)).whole().double() >= in_float64(tiles)).all())


def test_bounds_are_near_enough_to_leave_few() -> None:
    tiles = uneven(0, spread=0.0)
    slack = UpperBounds(**vars(tiles)).whole() - in_float64(tiles)
    sizes = tiles.centred.norm(dim=1)[:, None] * tiles.encoder.norm(dim=1)
    assert float((slack / (sizes + tiles.b_enc.abs())).max()) < 2**-6


@pytest.mark.parametrize("shift", [0.0, -20.0])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_all_that_is_positive_is_found_as_in_float32(spread: float, shift: float, screened: None) -> None:
    tiles = uneven(3, spread, shift)
    true = in_float64(tiles)
    chosen = largest_of_batch(tiles, true.numel())
    places = (true > 0).flatten().nonzero().squeeze(1)
    assert torch.equal(chosen.kept.rows * D_SAE + chosen.kept.columns, places)
    torch.testing.assert_close(chosen.contributions.double(), true.flatten()[places], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [1, 50, 700])
def test_the_largest_of_a_batch_are_those_of_float32(count: int, screened: None) -> None:
    tiles = uneven(4, spread=0.5)
    chosen = largest_of_batch(tiles, count)
    places = in_float64(tiles).flatten().topk(count).indices.sort().values
    assert torch.equal(chosen.kept.rows * D_SAE + chosen.kept.columns, places)


@pytest.mark.parametrize("shift", [0.0, -20.0])
@pytest.mark.parametrize("k", [1, 7, 40])
@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0])
def test_the_largest_of_each_row_are_those_of_float32(spread: float, k: int, shift: float, screened: None) -> None:
    tiles = uneven(6, spread, shift)
    true = in_float64(tiles)
    chosen = largest_of_rows(tiles, k)
    wanted = true.topk(k).indices.sort().values
    assert torch.equal(chosen.kept.columns.view(BATCH, k).sort().values, wanted)
    torch.testing.assert_close(chosen.contributions.double(), chosen.kept.gather(true), rtol=1e-4, atol=1e-4)


def test_a_row_whose_largest_were_not_all_looked_at_is_done_again(
    screened: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "SPARE", -14)  # two more than are wanted, which is too few
    tiles, n_again = uneven(7, spread=0.0), []
    exactly = choosing._largest_of_rows
    monkeypatch.setattr(
        choosing, "_largest_of_rows", lambda tiles, k: n_again.append(len(tiles.centred)) or exactly(tiles, k)
    )
    chosen = largest_of_rows(tiles, 16)
    assert len(n_again) == 1 and 0 < n_again[0] < BATCH
    assert torch.equal(
        chosen.kept.columns.view(BATCH, 16).sort().values, in_float64(tiles).topk(16).indices.sort().values
    )


@pytest.mark.parametrize("numbers", [5 * D_SAE, 1 << 22])
@pytest.mark.parametrize("shift", [0.0, -3.0])
@pytest.mark.parametrize("k", [1, 7, 40])
@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0])
def test_without_bias_or_scale_the_order_of_rounded_products_is_enough(
    spread: float, k: int, shift: float, numbers: int, screened: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "TILE_NUMBERS", numbers)
    uneven_ones = uneven(9, spread)
    tiles = replace(uneven_ones, encoder=uneven_ones.encoder + shift, b_enc=None, scale=None)
    true = tiles.centred.double() @ tiles.encoder.double().T
    chosen = largest_of_rows(tiles, k)
    assert torch.equal(chosen.kept.columns.view(BATCH, k).sort().values, true.topk(k).indices.sort().values)
    torch.testing.assert_close(chosen.contributions.double(), chosen.kept.gather(true), rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9999), st.sampled_from([0.0, 1.0, 2.5]))
def test_what_lies_below_a_rounded_product_lies_below_its_bound(seed: int, spread: float) -> None:
    tiles = replace(uneven(seed, spread), b_enc=None, scale=None)
    true, screen = tiles.centred.double() @ tiles.encoder.double().T, Rounded(**vars(tiles))
    products = screen.whole()
    for column in range(0, D_SAE, 16):
        below = (products <= products[:, [column]]) & (true > 0)
        bounds = screen.bounds(products[:, column], 0).double()
        assert bool((true <= bounds[:, None])[below].all())
    assert torch.equal(screen.bounds(products[7:, 3], 7), screen.bounds(products[:, 3], 0)[7:])


def test_where_too_many_rows_stay_unsure_the_rest_is_not_screened(
    screened: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "TILE_NUMBERS", 5 * D_SAE)
    draw = torch.Generator().manual_seed(0)
    alike = torch.randn(1, D_IN, generator=draw) + 1e-3 * torch.randn(D_SAE, D_IN, generator=draw)
    tiles, seen = Tiles(alike[:BATCH], alike, None, None), []
    looked = choosing._largest_of_likely
    monkeypatch.setattr(
        choosing, "_largest_of_likely", lambda tiles, *rest: seen.append(len(tiles.centred)) or looked(tiles, *rest)
    )
    chosen = largest_of_rows(tiles, 3)
    assert seen == [5]
    true = tiles.centred.double() @ tiles.encoder.double().T
    kept, best = (side.sort().values for side in (chosen.kept.gather(true).view(BATCH, 3), true.topk(3).values))
    torch.testing.assert_close(kept, best, rtol=1e-6, atol=0.0)


def test_contributions_at_some_places_are_those_of_the_whole() -> None:
    tiles = uneven(5)
    kept = Kept.flat(torch.tensor([0, 7, 161, 161 * 7, BATCH * D_SAE - 1]), BATCH, D_SAE)
    wanted = kept.gather(in_float64(tiles)).float()
    torch.testing.assert_close(contributions_of(tiles, kept), wanted, rtol=1e-5, atol=1e-5)


def test_it_is_left_alone_where_it_does_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "bfloat16_is_fast", lambda: True)
    large = Tiles(torch.zeros(2, 256), torch.zeros(4096, 256), torch.zeros(4096), None)
    few = 0.01, 0.01
    assert pays(large, *few)
    with multiplication("bfloat16"):
        assert not pays(large, *few)
    assert not pays(Tiles(torch.zeros(2, 255), torch.zeros(4096, 255), torch.zeros(4096), None), *few)
    assert not pays(Tiles(torch.zeros(2, 256), torch.zeros(4095, 256), torch.zeros(4095), None), *few)
    assert not pays(Tiles(*(part.double() for part in (large.centred, large.encoder, large.b_enc)), None), *few)
    assert not pays(large, 0.011, 0.01)
    monkeypatch.setattr(screening, "bfloat16_is_fast", lambda: False)
    assert not pays(large, *few)
