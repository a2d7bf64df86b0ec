"""Random draws: the same for the same seed and purpose, unrelated otherwise, and the global state untouched."""

import random

import numpy as np
import torch

from mechlab.core.randomness import numpy_generator, sub_seed, torch_generator


def test_the_same_seed_and_purpose_draw_the_same():
    first, again = (torch.randn(8, generator=torch_generator(3, "init")) for _ in range(2))
    assert torch.equal(first, again)
    assert np.array_equal(numpy_generator(3, "init").random(8), numpy_generator(3, "init").random(8))


def test_another_seed_or_purpose_draws_something_else():
    seeds = [sub_seed(seed, purpose) for seed in range(50) for purpose in ("init", "data", "data/1")]
    assert len(set(seeds)) == len(seeds)
    drawn = torch.randn(4000, generator=torch_generator(0, "a")), torch.randn(4000, generator=torch_generator(1, "a"))
    assert abs(torch.corrcoef(torch.stack(drawn))[0, 1].item()) < 0.08


def test_a_sub_seed_never_changes_between_releases():
    assert sub_seed(0, "init") == 1519069808562059438


def test_a_sub_seed_fits_every_generator():
    for seed in (0, -1, 2**63, 10**30):
        assert 0 <= sub_seed(seed, "x") < 2**63
        torch_generator(seed, "x")


def test_the_global_generators_are_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    torch.randn(3, generator=torch_generator(0, "x"))
    numpy_generator(0, "x").random(3)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]
