"""A pair is the same prompt with and without an edit, from equal draws."""

import pytest
import torch
from oracles.steered_by_hand import Rule, text_by_hand
from oracles.tiny_models import tiny, token_rows

from mechlab.interventions.ablate import ablate
from mechlab.interventions.steering.generated_pair import generate_pair
from mechlab.interventions.steering.steer import steer
from mechlab.models.loaders import load

PROMPTS, SITE = token_rows(2, 4), "resid_post.1"


@pytest.fixture(scope="module")
def model():
    return load(tiny("llama"), device="cpu")


def direction(model) -> torch.Tensor:
    return torch.randn(model.spec.d_model, generator=torch.Generator().manual_seed(0))


def test_it_is_the_same_text_at_strength_zero_also_when_drawn(model):
    pairs = [
        generate_pair(model, PROMPTS, 15, steer(model, SITE, direction(model), 0.0), temperature=1.0, seed=seed)
        for seed in (7, 8)
    ]
    assert all(torch.equal(pair.base, pair.steered) for pair in pairs)
    assert not torch.equal(pairs[0].base, pairs[1].base)


def test_it_shows_the_model_without_and_with_the_direction(model):
    vector = direction(model)
    pair = generate_pair(model, PROMPTS, 10, steer(model, SITE, vector, 8.0))
    assert torch.equal(pair.base, model.generate(PROMPTS, 10))
    rules = [[Rule(1, lambda h: h + 8 * vector)]] * 2
    assert torch.equal(pair.steered, text_by_hand(model.module, PROMPTS, 10, rules))


def test_any_edit_makes_a_pair(model):
    pair = generate_pair(model, PROMPTS, 10, ablate(model, SITE))
    with ablate(model, SITE):
        assert torch.equal(pair.steered, model.generate(PROMPTS, 10))
    assert not torch.equal(pair.base, pair.steered) and not model.in_use
