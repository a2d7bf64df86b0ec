"""Steering adds a direction exactly once per position, with and without a cache, and nothing at strength 0."""

from pathlib import Path

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.steer import Steering, feature_direction, generate_pair, steer
from mechlab.models.loaders import load

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"
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


@torch.no_grad()
def recomputed(model, tokens: torch.Tensor, n: int, added: torch.Tensor) -> torch.Tensor:
    """The oracle: the whole row anew for every token, the direction added by a hook of PyTorch's own."""
    modules = dict(model.module.named_modules())
    block = modules.get("transformer.h.1") or modules["model.layers.1"]

    def write(module, args, output):
        return (output[0] + added, *output[1:]) if isinstance(output, tuple) else output + added

    handle = block.register_forward_hook(write)
    for _ in range(n):
        best = model.module(tokens, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, best], dim=1)
    handle.remove()
    return tokens


@pytest.mark.parametrize("strength", [2.0, -6.0])
def test_cached_generation_equals_full_recomputation_token_by_token(model, strength):
    prompts, vector = token_rows(3, 5), direction(model)
    expected = recomputed(model, prompts, 20, strength * vector)
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
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.module.modules())
        assert torch.equal(model.logits(tokens), clean)


def test_two_steerings_compose(model):
    tokens, first, second = token_rows(2, 6), direction(model, 1), direction(model, 2)
    with torch.no_grad():
        with steer(model, SITE, first, 1.0), steer(model, SITE, second, -2.0):
            both = model.logits(tokens)
        with steer(model, SITE, first - 2 * second, 1.0):
            torch.testing.assert_close(model.logits(tokens), both, atol=1e-4, rtol=1e-4)


def test_a_pair_is_the_same_text_at_strength_zero_also_when_drawn(model):
    steering = Steering(SITE, direction(model), 0.0)
    pair = generate_pair(model, token_rows(2, 4), 15, steering, temperature=1.0, seed=7)
    assert torch.equal(pair.base, pair.steered)
    other = generate_pair(model, token_rows(2, 4), 15, steering, temperature=1.0, seed=8)
    assert not torch.equal(pair.base, other.base)


def test_a_pair_shows_the_model_without_and_with_the_direction(model):
    prompts, vector = token_rows(2, 4), direction(model)
    pair = generate_pair(model, prompts, 10, Steering(SITE, vector, 8.0))
    assert torch.equal(pair.base, model.generate(prompts, 10))
    assert torch.equal(pair.steered, recomputed(model, prompts, 10, 8 * vector))


def test_a_direction_that_does_not_fit_or_is_not_finite_is_refused(model):
    with pytest.raises(UsageError, match="does not fit the site: 3"), steer(model, SITE, torch.ones(3), 1.0):
        model.logits(token_rows(1, 3))
    with pytest.raises(UsageError, match="not finite"):
        steer(model, SITE, direction(model), float("nan"))
    with pytest.raises(UsageError, match="not finite"):
        steer(model, SITE, torch.full((32,), torch.inf), 1.0)


def test_a_features_direction_is_its_decoder_row_at_norm_one():
    dictionary = ReluDictionary(ReluConfig(d_in=6, d_sae=10))
    found = feature_direction(dictionary, 3)
    torch.testing.assert_close(found, dictionary.W_dec[3].detach() / dictionary.W_dec[3].detach().norm())
    torch.testing.assert_close(feature_direction(dictionary, 3, unit=False), dictionary.W_dec[3].detach())


def test_without_unit_norm_it_is_what_one_unit_of_activation_adds():
    """TopK codes are in units of a unit direction, so that is what one unit adds, whatever the row's norm."""
    dictionary = TopKDictionary(TopKConfig(d_in=6, d_sae=10, k=2))
    with torch.no_grad():
        dictionary.b_dec.normal_(generator=torch.Generator().manual_seed(0))
    assert dictionary.W_dec[3].norm() < 0.2
    assert feature_direction(dictionary, 3, unit=False).norm().item() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("feature", [-1, 10])
def test_a_feature_that_does_not_exist_is_refused(feature):
    with pytest.raises(UsageError, match=r"no such feature: -?\d+\. Features are 0\.\.9"):
        feature_direction(ReluDictionary(ReluConfig(d_in=6, d_sae=10)), feature)


def test_a_feature_without_direction_is_refused():
    dictionary = ReluDictionary(ReluConfig(d_in=6, d_sae=10))
    with torch.no_grad():
        dictionary.W_dec[2] = 0
    with pytest.raises(UsageError, match="no direction"):
        feature_direction(dictionary, 2)
