"""The smallest hashes are a uniform sample: every thing is as likely to be in it as any other, whatever came before."""

import pytest
import torch
from scipy.stats import chisquare, kstest

from mechlab.core.hashed_order import hashed_order


def test_numbers_are_spread_evenly_over_their_range():
    numbers = hashed_order(torch.arange(20_000), 3, "test")
    assert numbers.min() >= 0 and numbers.max() < 1 << 62
    assert kstest(numbers.double().numpy() / 2**62, "uniform").pvalue > 1e-3


def test_neighbours_have_nothing_in_common():
    numbers = hashed_order(torch.arange(20_001), 3, "test").double() / 2**62
    assert abs(torch.corrcoef(torch.stack([numbers[:-1], numbers[1:]]))[0, 1]) < 0.03
    assert abs(torch.corrcoef(torch.stack([numbers[:10_000], numbers[10_000:20_000]]))[0, 1]) < 0.03


def test_every_thing_is_as_often_among_the_smallest():
    things = torch.arange(100, 900, 20)
    drawn = torch.zeros(len(things))
    for seed in range(3000):
        drawn[hashed_order(things, seed, "test").argsort()[:5]] += 1
    assert drawn.sum() == 15_000
    # Draws without replacement vary less than independent ones: 35 of 39 parts of the variance are left.
    assert chisquare(drawn.numpy()).pvalue > 1e-3 and drawn.std() > 8


@pytest.mark.parametrize("other", [(4, "test"), (3, "another")])
def test_seed_and_purpose_make_another_order(other):
    things = torch.arange(1000)
    mine, theirs = hashed_order(things, 3, "test"), hashed_order(things, *other)
    assert (mine == theirs).sum() == 0
    assert torch.equal(mine, hashed_order(things, 3, "test"))
    assert torch.equal(mine[500:], hashed_order(things[500:], 3, "test"))
