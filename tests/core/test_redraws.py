"""Redraws take units whole, with replacement, the same for the same seed; values over them span an interval."""

import numpy as np
import pytest
import torch

from mechlab.core.redraws import from_draws, redraws


def test_a_redraw_takes_as_many_units_as_there_are_and_one_seed_is_one_set_of_redraws():
    drawn = torch.cat(list(redraws(7, seed=3)))
    assert drawn.shape == (1000, 7)
    assert (drawn == drawn.round()).all() and (drawn.sum(1) == 7).all()
    assert drawn.std() == pytest.approx(np.sqrt(6 / 7), rel=0.05)
    assert torch.equal(torch.cat(list(redraws(7, seed=3))), drawn)
    assert not torch.equal(torch.cat(list(redraws(7, seed=4))), drawn)


def test_an_interval_leaves_out_a_fortieth_on_either_side_and_holds_the_value():
    draws = torch.cat([torch.tensor([30.0]), torch.arange(1001.0)]).double()
    found = from_draws(draws, n=4, unit="nats")
    assert (found.value, found.low, found.high, found.n, found.unit) == (30.0, 25.0, 975.0, 4, "nats")
    assert from_draws(torch.cat([torch.tensor([-5.0]), torch.arange(1001.0)]).double(), n=4).low == -5.0
    assert from_draws(torch.full((11,), torch.nan, dtype=torch.float64), n=4) is None
