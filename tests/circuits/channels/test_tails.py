"""Tails of a weighted mean of squares of a random direction are those that draws show, and a known law's far out."""

import pytest
import torch
from scipy import stats

from mechlab.circuits.channels.tails import sphere_mean, sphere_sd, upper_tails

SHAPES = {"even": [1.0] * 8, "falling": [3, 1, 1, 1, 0.5, 0.5, 0.2, 0.1], "one leads": [10, 1, 1, 1, 1, 1, 1, 0.1]}


def weights_of(name: str) -> torch.Tensor:
    squares = torch.tensor([SHAPES[name]], dtype=torch.float64).square()
    return squares / squares.sum()


@pytest.mark.parametrize("name", SHAPES)
def test_mean_deviation_and_tail_are_those_of_draws(name):
    d, weights = 64, weights_of(name)
    directions = torch.randn(400_000, d, generator=torch.Generator().manual_seed(0))
    drawn = (directions[:, :8].square() / directions.square().sum(1, keepdim=True)).double() @ weights[0]
    mean, sd = sphere_mean(weights, d), sphere_sd(weights, d)
    assert abs(drawn.mean() / mean - 1) < 0.01 and abs(drawn.std() / sd - 1) < 0.01
    z = torch.tensor([[-0.5, 0.0, 0.5, 1.0, 2.0, 3.0]], dtype=torch.float64)
    seen = (drawn[:, None] > mean + z * sd).double().mean(0)
    assert torch.allclose(upper_tails(weights, d, z)[0], seen, rtol=0.12)


def test_far_out_the_tail_of_even_weights_is_that_of_a_beta_variable():
    d, weights = 768, torch.full((1, 64), 1 / 64, dtype=torch.float64)
    z = torch.tensor([[2.0, 6.0, 10.0, 20.0]], dtype=torch.float64)
    bound = (sphere_mean(weights, d) + z[0] * sphere_sd(weights, d)) * 64
    exact = torch.from_numpy(stats.beta(32, 352).logsf(bound.numpy()))
    assert torch.allclose(upper_tails(weights, d, z)[0].log(), exact, rtol=0.003, atol=0.02)


def test_what_cannot_happen_has_no_chance_and_what_is_not_a_number_none_either():
    found = upper_tails(weights_of("even"), 64, torch.tensor([[1e4, torch.nan]], dtype=torch.float64))
    assert found[0, 0] < 1e-299 and found[0, 1].isnan()
