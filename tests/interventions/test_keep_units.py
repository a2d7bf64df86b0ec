"""What is kept is what it was, the rest has its one value; at tokens left out nothing is replaced."""

import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import D_MLP, N_LAYERS, tiny, token_rows

from mechlab.interventions.keep_units import keep_features, keep_neurons
from mechlab.interventions.stand_in import errors_left
from mechlab.models.huggingface import HuggingFaceModel

MODEL = HuggingFaceModel(tiny("gpt2").double())
TOKENS = token_rows(3, 7)


def masks(width: int) -> list[torch.Tensor]:
    return [torch.arange(width) % 3 == layer % 2 for layer in range(N_LAYERS)]


def values(width: int) -> list[torch.Tensor]:
    return [torch.linspace(0, layer + 1, width, dtype=torch.float64) for layer in range(N_LAYERS)]


def test_neurons_outside_have_their_value_and_those_inside_their_own():
    kept, others = masks(D_MLP), values(D_MLP)
    marks = torch.zeros_like(TOKENS, dtype=torch.bool)
    marks[:, 0] = True
    sites = [f"mlp_post.{layer}" for layer in range(N_LAYERS)]
    clean = MODEL.activations(TOKENS, sites)
    with keep_neurons(MODEL, kept, others, untouched=marks), MODEL.read(*sites) as read:
        MODEL.logits(TOKENS)
    for layer, site in enumerate(sites):
        assert torch.equal(read[site][:, 1:, ~kept[layer]], others[layer][~kept[layer]].expand(3, 6, -1))
        assert torch.equal(read[site][:, 0], clean[site][:, 0])
    first = clean["mlp_post.0"][:, 1:, kept[0]]
    assert torch.equal(read["mlp_post.0"][:, 1:, kept[0]], first)
    assert not torch.allclose(read["mlp_post.2"][:, 1:, kept[2]], clean["mlp_post.2"][:, 1:, kept[2]])


def test_features_outside_write_their_value_and_those_inside_what_they_are():
    found = random_set("relu with a skip", MODEL.spec)
    kept, others = masks(24), values(24)
    errors = errors_left(MODEL, found, TOKENS)
    for own in (None, errors):
        with keep_features(MODEL, found, kept, others, errors=own), MODEL.read("ln2_normalized.1", "mlp_out.1") as read:
            MODEL.logits(TOKENS)
        dictionary, x = found.layers[1], read["ln2_normalized.1"]
        codes = torch.where(kept[1], dictionary.encode(x), others[1])
        wanted = codes @ dictionary.W_dec + dictionary.b_dec + x @ dictionary.W_skip.T
        assert torch.allclose(read["mlp_out.1"], wanted if own is None else wanted + errors[1], atol=1e-10)


def test_all_features_and_their_errors_are_the_model():
    found = random_set("topk", MODEL.spec)
    every = [torch.ones(24, dtype=torch.bool)] * N_LAYERS
    with keep_features(MODEL, found, every, values(24), errors=errors_left(MODEL, found, TOKENS)):
        seen = MODEL.logits(TOKENS)
    assert torch.allclose(seen, MODEL.logits(TOKENS), atol=1e-9)
