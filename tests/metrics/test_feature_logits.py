"""Extremes of the direct effect, of all features at once, equal those of one at a time; the null is chance."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.dictionaries.crosslayer import CrosslayerConfig
from mechlab.dictionaries.crosslayer_transcoder import CrosslayerTranscoder
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.steering.feature_direction import feature_direction
from mechlab.metrics import feature_logits
from mechlab.metrics.feature_logits import Unembedding, largest_by_chance, logit_extremes, written_directions
from mechlab.metrics.logit_effects import divisor, logit_effects
from mechlab.models.loaders import load
from mechlab.models.route import Route

SAMPLE = token_rows(n_rows=4)


@pytest.fixture(scope="module")
def model():
    return load(tiny("gpt2"), device="cpu")


@pytest.mark.parametrize("numbers_at_once", [1 << 24, 400])
def test_extremes_are_those_of_each_feature_s_own_direction(model, monkeypatch, numbers_at_once):
    monkeypatch.setattr(feature_logits, "NUMBERS_AT_ONCE", numbers_at_once)
    dictionary = TopKDictionary(TopKConfig(d_in=32, d_sae=24, k=5))
    with torch.no_grad():
        dictionary.W_dec.mul_(torch.rand(24, 1) + 0.5)
        dictionary.b_dec.add_(1.0)
    found = logit_extremes(Unembedding(model, SAMPLE), dictionary, 24, Route.of("resid_post.1", model.spec), 6)
    for feature in (0, 11, 23):
        direction = feature_direction(dictionary, feature, unit=False)
        effects = logit_effects(model, direction[None], SAMPLE)[0]
        assert found.top[feature].tolist() == effects.argsort(descending=True)[:6].tolist()
        assert found.bottom[feature].tolist() == effects.argsort()[:6].tolist()
        torch.testing.assert_close(found.top_values[feature], effects.sort(descending=True).values[:6])
        torch.testing.assert_close(found.bottom_values[feature], effects.sort().values[:6])


def test_by_chance_is_exceeded_by_one_random_feature_in_twenty(model):
    """An untrained dictionary's directions are random, whatever their norms: the null must hold for them."""
    dictionary = ReluDictionary(ReluConfig(d_in=32, d_sae=2000, decoder_init_norm=1.0))
    with torch.no_grad():
        drawn = torch.randn(2000, 32, generator=torch.Generator().manual_seed(5))
        scale = torch.rand(2000, 1, generator=torch.Generator().manual_seed(6)) + 0.1
        dictionary.W_dec.copy_(scale * drawn / drawn.norm(dim=1, keepdim=True))
    found = logit_extremes(Unembedding(model, SAMPLE), dictionary, 2000, Route.of("resid_post.1", model.spec), 1)
    beyond = (found.top_values[:, 0].double() > found.by_chance).double().mean()
    assert 0.03 < beyond < 0.075, "5 %, but for the draws of null and features"


def test_the_null_is_drawn_by_the_seed(model):
    divided_by = divisor(model, SAMPLE)
    assert largest_by_chance(model, divided_by, 0) == largest_by_chance(model, divided_by, 0)
    assert largest_by_chance(model, divided_by, 0) != largest_by_chance(model, divided_by, 1)


def test_what_a_cross_layer_feature_adds_at_all_layers_is_taken_together(model):
    n = model.spec.n_layers
    dictionary = CrosslayerTranscoder(CrosslayerTranscoder.Config(d_in=32 * n, d_out=32 * n, d_sae=4 * n, n_layers=n))
    assert isinstance(dictionary.config, CrosslayerConfig)
    found = logit_extremes(Unembedding(model, SAMPLE), dictionary, 4 * n, Route.of("mlp", model.spec), 5)
    (_, written), *_ = written_directions(dictionary, 4 * n)
    added = written.view(4 * n, n, 32).sum(1)
    effects = logit_effects(model, added, SAMPLE)
    torch.testing.assert_close(found.top_values, effects.sort(descending=True).values[:, :5])


@pytest.mark.parametrize("site", ["mlp_post.1", "resid_post.0,resid_post.1"])
def test_what_is_not_added_to_the_stream_has_no_direct_effect(model, site):
    route = Route.of(site, model.spec)
    width = sum(model.activations(SAMPLE, [one])[str(one)].shape[-1] for one in route.inputs)
    dictionary = TopKDictionary(TopKConfig(d_in=width, d_sae=24, k=5))
    assert logit_extremes(Unembedding(model, SAMPLE), dictionary, 24, route, 5) is None
