"""Zeros of functions on [0, 1] are found all at once, or the place that is nearest to one is told."""

import math

import pytest
import torch
from scipy.optimize import brentq

from mechlab.circuits.observables.zeros import zeros


def test_zeros_are_those_of_brents_method():
    bends = torch.tensor([0.3, 1.7, 4.0, 11.0], dtype=torch.float64)
    found = zeros(lambda t: torch.exp(bends[:, None] * t) - 1 - 0.4 * bends[:, None], 4)
    wanted = [brentq(lambda t, b=bend: math.exp(b * t) - 1 - 0.4 * b, 0, 1, xtol=1e-15) for bend in bends.tolist()]
    assert found.crosses.all() and torch.allclose(found.t, torch.tensor(wanted, dtype=torch.float64), atol=1e-14)
    assert found.values.abs().max() < 1e-13


def test_a_sign_that_changes_twice_between_the_ends_is_seen():
    found = zeros(lambda t: (t - 0.4) * (t - 0.7), 1)
    assert found.crosses.all() and found.t.item() == pytest.approx(0.4, abs=1e-14)


def test_without_a_change_of_sign_the_place_nearest_to_zero_is_told():
    shifts = torch.tensor([[0.31], [0.0], [1.0]], dtype=torch.float64)
    found = zeros(lambda t: -((t - shifts) ** 2) - 0.2, 3)
    assert not found.crosses.any() and torch.allclose(found.t, shifts[:, 0], atol=1e-7)
    assert torch.allclose(found.values, torch.full((3,), -0.2, dtype=torch.float64))


def test_a_tolerance_stops_sooner_and_counts_its_values():
    exact, rough = (zeros(lambda t: t**3 - 0.2, 1, tolerance) for tolerance in (0.0, 1e-3))
    assert rough.n_values < exact.n_values and rough.values.abs().max() <= 1e-3 < rough.values.abs().max() * 1e4
    assert exact.n_values <= 20


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_zero_at_an_end_is_found(end):
    found = zeros(lambda t: t - end, 1)
    assert found.t.item() == pytest.approx(end, abs=1e-15) and found.values.abs().max() == 0
