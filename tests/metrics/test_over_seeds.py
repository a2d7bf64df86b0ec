"""One value per seed: their mean and Student's interval."""

import numpy as np
import pytest
from scipy import stats

from mechlab.metrics.over_seeds import over_seeds


def test_the_interval_is_that_of_scipy():
    values = [0.91, 0.94, 0.90]
    found = over_seeds(values, unit="nats")
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert (found.n, found.unit) == (3, "nats")


def test_the_interval_holds_the_mean_of_all_seeds_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(2000, 3))
    held = [one.low <= 0 <= one.high for one in map(over_seeds, draws.tolist())]
    assert 0.93 < np.mean(held) < 0.97


def test_one_seed_has_no_interval():
    found = over_seeds([0.5])
    assert (found.low, found.value, found.high, found.n) == (0.5, 0.5, 0.5, 1)
