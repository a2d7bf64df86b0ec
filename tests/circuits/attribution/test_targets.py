"""Targets are what the pass had: pre-activations of features, logits less their mean, and sums of these."""

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.sources import sources_of
from mechlab.circuits.attribution.targets import (
    chosen_targets,
    direction_targets,
    feature_targets,
    logit_targets,
    token_list_targets,
)
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request):
    return HuggingFaceModel(tiny(request.param).double())


@pytest.fixture(scope="module")
def frozen(model):
    return frozen_pass(model, random_set("topk", model.spec), token_rows(1, 8))


def test_logits_are_the_model_s_less_their_mean(model, frozen):
    logits = model.logits(token_rows(1, 8))[0]
    logits = logits - logits.mean(-1, keepdim=True)
    found = logit_targets(frozen, (3, 60), (-1, 2))
    wanted = torch.stack([logits[position, token] for token in (3, 60) for position in (7, 2)])
    assert torch.allclose(found.values, wanted, atol=1e-5) and found.positions.tolist() == [7, 2, 7, 2]
    assert found.layer == model.spec.n_layers


def test_a_difference_is_that_of_two_logits(frozen):
    direction = torch.zeros(1, frozen.spec.d_vocab, dtype=torch.float64)
    direction[0, 3], direction[0, 9] = 1, -1
    both, found = logit_targets(frozen, (3, 9)), direction_targets(frozen, direction)
    assert torch.allclose(found.values, both.values[:1] - both.values[1:])
    assert torch.allclose(found.vectors, both.vectors[:1] - both.vectors[1:])


def test_features_are_their_codes_where_they_are_on(frozen):
    sources = sources_of(frozen)
    for layer in range(frozen.spec.n_layers):
        found, own = feature_targets(frozen, sources, layer), sources.layer == layer
        assert torch.allclose(found.values, sources.code[own]) and torch.equal(found.positions, sources.position[own])


def test_chosen_features_are_what_the_encoder_makes_of_the_model_s_own_input_also_where_they_are_off(model, frozen):
    sources = sources_of(frozen)
    for layer, own in enumerate(frozen.transcoders.layers):
        chosen = [(feature, position) for feature in range(0, 24, 5) for position in (2, -1)]
        found = chosen_targets(frozen, layer, chosen)
        read = frozen.layers[layer].read[found.positions]
        features = torch.tensor(chosen)[:, 0]
        units = own.W_dec.norm(dim=1)[features]  # topk compares codes in the decoder's unit
        wanted = ((read * own.W_enc.T[features]).sum(-1) + own.b_enc[features]) * units
        assert torch.allclose(found.values, wanted, atol=1e-10) and found.positions[:2].tolist() == [2, 7]
        codes = frozen.transcoders.codes(layer, frozen.layers[layer].read)[found.positions, features]
        assert (codes == 0).any() and torch.allclose(found.values[codes != 0], codes[codes != 0])
        missing = attributed(frozen, sources, found).missing(found)
        assert (missing.abs() / (1 + found.values.abs())).max() < 1e-10


def test_a_token_list_is_the_mean_of_its_logits_less_that_of_another(model, frozen):
    logits = model.logits(token_rows(1, 8))[0]
    found = token_list_targets(frozen, [(3, 4, 9), (5,)], against=(7, 8), positions=(-1, 2))
    wanted = [
        logits[position, list(own)].mean() - logits[position, [7, 8]].mean()
        for own in ((3, 4, 9), (5,))
        for position in (-1, 2)
    ]
    assert torch.allclose(found.values, torch.stack(wanted), atol=1e-5)
    missing = attributed(frozen, sources_of(frozen), found).missing(found)
    assert (missing.abs() / (1 + found.values.abs())).max() < 1e-10


def test_a_feature_or_layer_that_is_not_there_and_an_empty_list_are_refused(frozen):
    with pytest.raises(UsageError, match=r"no such layer: 3\. Layers are 0\.\.2"):
        chosen_targets(frozen, 3, [(0, 0)])
    with pytest.raises(UsageError, match=r"no such feature: 24\. Features are 0\.\.23"):
        chosen_targets(frozen, 1, [(24, 0)])
    with pytest.raises(UsageError, match="list of tokens is empty"):
        token_list_targets(frozen, [()])


def test_a_token_or_position_that_is_not_there_is_refused(frozen):
    with pytest.raises(UsageError, match=r"no such token: 61\. Tokens are 0\.\.60"):
        logit_targets(frozen, (61,))
    for position in (8, -9):
        with pytest.raises(UsageError, match=rf"no such position: {position}\. Positions are 0\.\.7"):
            logit_targets(frozen, (1,), (position,))
