"""What is chosen a few rows at a time is what would be chosen of the whole batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechlab.dictionaries import tiles as tiling
from mechlab.dictionaries.choosing import above, is_sparse, largest_of_batch, largest_of_rows, row_topk
from tests.dictionaries.chosen_from import dense, tiles_of


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 9), st.sampled_from([8, 20, 64, 257, 256, 512]), st.integers(1, 8), st.integers(0, 999))
def test_the_largest_of_a_row_are_found_in_groups(batch: int, d_sae: int, k: int, seed: int) -> None:
    values = torch.randn(batch, d_sae, generator=torch.Generator().manual_seed(seed))
    found, columns = row_topk(values, k)
    assert torch.equal(found.sort(-1).values, values.topk(k, -1).values.sort(-1).values)
    assert torch.equal(values.gather(1, columns), found)
    assert all(len(row.unique()) == k for row in columns)


def test_equal_values_in_a_row_give_k_different_places() -> None:
    found, columns = row_topk(torch.ones(3, 512), 7)
    assert torch.equal(found, torch.ones(3, 7))
    assert all(len(row.unique()) == 7 for row in columns)


@pytest.mark.parametrize("numbers", [700, 1 << 22])
def test_kept_rows_hold_the_largest_contributions(numbers: int, monkeypatch) -> None:
    monkeypatch.setattr(tiling, "TILE_NUMBERS", numbers)
    tiles = tiles_of(11, 320)
    chosen = largest_of_rows(tiles, 5)
    torch.testing.assert_close(
        chosen.contributions.view(11, 5).sort(-1, descending=True).values, dense(tiles).topk(5, -1).values
    )
    torch.testing.assert_close(chosen.kept.gather(dense(tiles)), chosen.contributions)


@pytest.mark.parametrize("d_sae", [320, 321])
@pytest.mark.parametrize(("count", "shift"), [(40, 0.0), (900, -2.0), (5000, -9.0), (10, -99.0), (1, 0.0), (0, 0.0)])
def test_the_largest_of_a_batch_are_exact_however_many_are_positive(count: int, shift: float, d_sae: int) -> None:
    tiles = tiles_of(50, d_sae, shift=shift)
    flat = dense(tiles).flatten()
    wanted = flat.topk(count).indices
    wanted = wanted[flat[wanted] > 0].sort().values
    kept = largest_of_batch(tiles, count).kept
    assert torch.equal(kept.rows * d_sae + kept.columns, wanted)


def test_a_batch_whose_first_rows_are_unlike_the_rest_is_chosen_exactly_all_the_same() -> None:
    tiles = tiles_of(200, 320)
    tiles.centred[:32] *= 100.0
    flat = dense(tiles).flatten()
    kept = largest_of_batch(tiles, 9000).kept
    assert torch.equal(kept.rows * 320 + kept.columns, flat.topk(9000).indices.sort().values)


def test_those_above_a_floor_are_all_and_in_order() -> None:
    tiles = tiles_of(20, 64)
    chosen = above(tiles, 1.5)
    places = (dense(tiles) > 1.5).flatten().nonzero().squeeze(1)
    assert torch.equal(chosen.kept.rows * 64 + chosen.kept.columns, places)
    torch.testing.assert_close(chosen.contributions, dense(tiles).flatten()[places])


def test_those_that_a_mask_names_keep_their_rows() -> None:
    chosen = largest_of_rows(tiles_of(6, 64), 5)
    mask = torch.rand(30, generator=torch.Generator().manual_seed(0)) < 0.4
    mask[10:15] = False  # of the third row nothing is left
    some = chosen.only(mask)
    for part, whole in (
        (some.contributions, chosen.contributions),
        (some.kept.columns, chosen.kept.columns),
        (some.kept.rows, chosen.kept.rows),
    ):
        assert torch.equal(part, whole[mask])
    assert some.kept.offsets.diff().tolist() == mask.view(6, 5).sum(1).tolist()


def test_a_batch_is_sparse_when_fewer_than_one_in_forty_is_above() -> None:
    assert not is_sparse(tiles_of(40, 400))
    assert is_sparse(tiles_of(40, 400, shift=-8.0))
