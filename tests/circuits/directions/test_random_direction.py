"""Random directions point anywhere: they are spread evenly, each seed and site has its own, of the length asked for."""

from dataclasses import replace

import pytest
import torch
from circuits.directions.pieces import material

from mechlab.circuits.directions.random_direction import RandomDirection


def test_many_are_spread_evenly_and_have_nothing_in_common():
    plain = material()
    drawn = torch.stack([RandomDirection(seed=seed).find(plain).vector for seed in range(400)])
    assert drawn.mean(0).norm() < 2 / 400**0.5
    spread = torch.linalg.eigvalsh(drawn.T @ drawn / 400) * 32
    assert spread.min() > 0.4 and spread.max() < 1.9


def test_it_is_as_long_as_asked_and_another_at_another_site():

    plain = material()
    found = RandomDirection(seed=3, length=7.5).find(plain)
    assert found.scale == pytest.approx(7.5) and found.facts.seed == 3
    assert not torch.equal(RandomDirection(seed=3).find(replace(plain, site="resid_post.0")).vector, found.vector)
    assert len(RandomDirection().find(replace(plain, site="mlp_post.0")).vector) == 48
