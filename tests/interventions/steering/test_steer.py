"""Steering along one direction adds it exactly once per position, with and without a cache."""

from pathlib import Path

import pytest
import torch
from oracles.steered_by_hand import Rule, text_by_hand
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.interventions.steering.steer import steer
from mechlab.models.loaders import load

STORIES = Path(__file__).parents[4] / "shared" / "models" / "stories260K"
SITE = "resid_post.1"


@pytest.fixture(scope="module", params=["gpt2", "llama", "stories260K"])
def model(request):
    if request.param != "stories260K":
        return load(tiny(request.param), device="cpu")
    if not STORIES.exists():
        pytest.skip("the folder of stories260K is not beside this checkout")
    return load(STORIES, device="cpu")


def direction(model, seed: int = 0) -> torch.Tensor:
    return torch.randn(model.spec.d_model, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("strength", [2.0, -6.0])
def test_cached_generation_equals_full_recomputation_token_by_token(model, strength):
    prompts, vector = token_rows(3, 5), direction(model)
    expected = text_by_hand(model.module, prompts, 20, [[Rule(1, lambda h: h + strength * vector)]] * 3)
    with torch.no_grad(), steer(model, SITE, vector, strength):
        found = model.generate(prompts, 20)
        uncached = model.generate(prompts, 20, use_cache=False)
    assert torch.equal(found, expected)
    assert torch.equal(uncached, expected)
    assert not torch.equal(found, model.generate(prompts, 20)), "this strength changes the text"


@torch.no_grad()
def test_the_direction_is_added_at_every_position(model):
    tokens, vector = token_rows(2, 6), direction(model)
    with model.read(SITE) as clean:
        model.logits(tokens)
    before = clean[SITE].clone()
    with steer(model, SITE, vector, 3.0), model.read(SITE) as steered:
        model.logits(tokens)
    torch.testing.assert_close(steered[SITE] - before, (3 * vector).expand_as(before), atol=1e-4, rtol=0)


def test_strength_zero_registers_no_hook_at_all(model):
    tokens = token_rows(2, 6)
    clean = model.logits(tokens)
    with steer(model, SITE, direction(model), 0.0):
        assert not model.in_use
        assert torch.equal(model.logits(tokens), clean)


def test_two_steerings_compose(model):
    tokens, first, second = token_rows(2, 6), direction(model, 1), direction(model, 2)
    with torch.no_grad():
        with steer(model, SITE, first, 1.0), steer(model, SITE, second, -2.0):
            both = model.logits(tokens)
        with steer(model, SITE, first - 2 * second, 1.0):
            torch.testing.assert_close(model.logits(tokens), both, atol=1e-4, rtol=1e-4)


def test_where_heads_are_apart_the_direction_is_that_of_all_heads_side_by_side():
    model, tokens = load(tiny("gpt2"), device="cpu"), token_rows(2, 6)
    vector = torch.arange(32.0)
    with torch.no_grad(), steer(model, "z.1", vector, 2.0), model.read("z.1") as steered:
        model.logits(tokens)
    before = model.activations(tokens, ["z.1"])["z.1"]
    torch.testing.assert_close(steered["z.1"] - before, (2 * vector).view(4, 8).expand_as(before), atol=1e-4, rtol=0)


def test_a_direction_that_does_not_fit_or_is_not_finite_is_refused_before_any_pass(model):
    with pytest.raises(UsageError, match=r"direction does not fit the site: 3\. resid_post.1 has width"):
        steer(model, SITE, torch.ones(3), 1.0)
    for strength in (float("nan"), float("inf")):
        with pytest.raises(UsageError, match="finite"):
            steer(model, SITE, direction(model), strength)
    with pytest.raises(UsageError, match="direction is not finite"):
        steer(model, SITE, torch.full((model.spec.d_model,), torch.inf), 1.0)
    with pytest.raises(UsageError, match="no such layer"):
        steer(model, "resid_post.77", direction(model), 1.0)
