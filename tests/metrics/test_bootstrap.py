"""Intervals redraw rows, cover what they claim to cover, and never pretend to a value that is undefined."""

import numpy as np
import pytest
import torch

from mechlab.metrics.bootstrap import estimate, from_draws, mean_estimate, ratio, resampled


def rows_of_unequal_length(rng: np.random.Generator, n_rows: int) -> torch.Tensor:
    """Return, per row, the sum and number of values that share a row effect: mean 2 per value."""
    lengths = rng.integers(5, 30, n_rows)
    shared = rng.normal(2, 1, n_rows)
    sums = [rng.normal(level, 1, length).sum() for level, length in zip(shared, lengths, strict=True)]
    return torch.tensor(np.stack([sums, lengths], axis=1))


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [estimate(rows_of_unequal_length(rng, 80), ratio) for _ in range(300)]
    covered = np.mean([one.low <= 2 <= one.high for one in intervals])
    assert 0.92 <= covered <= 0.98, covered


def test_the_interval_is_as_wide_as_the_standard_error_of_a_mean():
    values = np.random.default_rng(1).normal(size=400)
    one = estimate(torch.tensor(np.stack([values, np.ones(400)], axis=1)), ratio)
    assert one.value == pytest.approx(values.mean())
    assert one.high - one.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert one.n == 400


def test_redraws_take_rows_whole():
    indicators = torch.eye(7, dtype=torch.float64)
    totals = resampled(indicators)
    assert totals.shape == (1001, 7)
    assert (totals[0] == 1).all(), "the observed rows stand first"
    assert (totals == totals.round()).all() and (totals.sum(1) == 7).all()
    assert totals[1:].std() == pytest.approx(np.sqrt(6 / 7), rel=0.05)


def test_equal_seeds_redraw_equal_rows_and_others_do_not():
    sums = torch.randn(50, 1, generator=torch.Generator().manual_seed(0)).double()
    assert torch.equal(resampled(sums, seed=3), resampled(sums, seed=3))
    assert not torch.equal(resampled(sums, seed=3), resampled(sums, seed=4))


def test_rows_too_many_to_keep_their_redraws_are_redrawn_the_same(monkeypatch):
    sums = torch.randn(60, 2, generator=torch.Generator().manual_seed(0)).double()
    kept = resampled(sums, seed=2)
    monkeypatch.setattr("mechlab.metrics.bootstrap._MAX_KEPT", 0)
    assert torch.equal(resampled(sums, seed=2), kept)


def test_an_undefined_value_is_none_not_a_crash():
    nothing = torch.zeros(10, 2, dtype=torch.float64)
    assert estimate(nothing, ratio) is None


def test_a_value_that_most_redraws_leave_undefined_is_none():
    draws = torch.ones(101, dtype=torch.float64)
    draws[1:11] = torch.nan
    assert from_draws(draws, n=3) is None
    draws[4:11] = 1
    assert from_draws(draws, n=3).value == 1


def test_a_mean_s_interval_is_that_of_a_ratio_of_sums_and_covers_by_its_standard_error():
    values = torch.tensor(np.random.default_rng(0).normal(3, 2, 400))
    found = mean_estimate(values, unit="nats")
    assert found is not None and found.value == pytest.approx(float(values.mean())) and found.n == 400
    half = 1.96 * float(values.std()) / 20
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15) and found.unit == "nats"
    assert mean_estimate(torch.tensor([1.0, torch.inf], dtype=torch.float64)) is None
