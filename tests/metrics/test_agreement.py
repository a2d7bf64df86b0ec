"""Correlations and slopes are SciPy's, redraw by redraw; intervals hold the truth as often as they say."""

import numpy as np
import pytest
import torch
from scipy import stats

from mechlab.core.errors import UsageError
from mechlab.metrics import agreement as module
from mechlab.metrics.agreement import agreement


def drawn(n: int, each: int = 1, noise: float = 1.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, each, generator=generator, dtype=torch.float64)
    return x, 0.7 * x + noise * torch.randn(n, each, generator=generator, dtype=torch.float64)


def test_values_are_those_of_scipy():
    x, y = drawn(30, 3)
    found = agreement(x, y)
    assert found.pearson.value == pytest.approx(stats.pearsonr(x.flatten(), y.flatten()).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x.flatten(), y.flatten()).statistic)
    wanted = np.linalg.lstsq(x.flatten()[:, None].numpy(), y.flatten().numpy(), rcond=None)[0][0]
    assert found.slope.value == pytest.approx(wanted) and found.size.value == pytest.approx(float(y.abs().mean()))
    assert {one.n for one in (found.pearson, found.spearman, found.slope, found.size)} == {30}


def test_equal_values_share_a_rank():
    x, y = (one.mul(1.5).round() for one in drawn(40))
    assert agreement(x, y).spearman.value == pytest.approx(stats.spearmanr(x.flatten(), y.flatten()).statistic)


def test_every_redraw_is_what_scipy_finds_in_the_redrawn_pairs():
    x, y = drawn(12, 2)
    x = x.round()
    times = torch.from_numpy(np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=5)).double()
    weights = times.repeat_interleave(2, dim=1)
    found = module._correlation(module._ranks(x.flatten(), weights), module._ranks(y.flatten(), weights), weights)
    for own, value in zip(times.long(), found, strict=True):
        again = [one.repeat_interleave(own, dim=0).flatten() for one in (x, y)]
        assert float(value) == pytest.approx(stats.spearmanr(*again).statistic)


def test_units_and_not_pairs_are_redrawn():
    """Ten copies of every pair tell nothing new: the interval stays as wide."""
    x, y = drawn(20)
    once, often = agreement(x, y), agreement(x.repeat(1, 10), y.repeat(1, 10))
    assert (once.pearson.low, once.pearson.high) == pytest.approx((often.pearson.low, often.pearson.high))
    many = agreement(x.repeat(10, 1), y.repeat(10, 1))
    assert many.pearson.high - many.pearson.low < 0.5 * (once.pearson.high - once.pearson.low)


def test_the_interval_of_a_slope_holds_the_truth_about_as_often_as_it_says():
    found = [agreement(*drawn(60, seed=seed)).slope for seed in range(60)]
    assert 0.85 <= sum(one.low <= 0.7 <= one.high for one in found) / len(found) < 1


def test_what_is_undefined_is_told_and_one_unit_is_refused():
    x, _ = drawn(10)
    flat = agreement(x, torch.ones_like(x))
    assert flat.pearson is None and flat.spearman is None and flat.slope is not None
    with pytest.raises(UsageError, match="too few units to compare: 1"):
        agreement(x[:1], x[:1])
