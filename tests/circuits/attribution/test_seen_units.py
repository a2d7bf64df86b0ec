"""Means and counts are those over all tokens but a leading BOS, whatever the batches."""

import torch
from circuits.asked_pairs import random_pairs
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny

from mechlab.circuits.attribution.seen_units import leading_bos, seen_features, seen_neurons
from mechlab.models.huggingface import HuggingFaceModel

MODEL = HuggingFaceModel(tiny("llama").double())
BATCHES = [random_pairs(5, 9), random_pairs(3, 12, seed=1)]


class WithBos(HuggingFaceModel):
    """The model with a tokenizer's BOS, which is the first token of some rows."""

    bos_id = int(BATCHES[0].clean[0, 0])


def test_neurons_have_their_mean_over_all_tokens():
    rows = [MODEL.activations(pairs.clean, ["mlp_post.1"])["mlp_post.1"].flatten(0, 1) for pairs in BATCHES]
    seen = seen_neurons(MODEL, BATCHES)
    assert seen.n_tokens == 5 * 9 + 3 * 12 and len(seen.totals) == 3
    assert torch.allclose(seen.values("mean")[1], torch.cat(rows).mean(0))
    assert not seen.values("zero")[1].any() and seen.values("zero")[1].shape == seen.values("mean")[1].shape


def test_features_that_are_on_are_those_with_a_code_somewhere():
    found = random_set("jumprelu", MODEL.spec)
    seen = seen_features(MODEL, found, BATCHES)
    reads = [
        MODEL.activations(pairs.clean, ["ln2_normalized.2"])["ln2_normalized.2"].flatten(0, 1) for pairs in BATCHES
    ]
    codes = torch.cat([found.codes(2, x) for x in reads])
    assert [one for layer, one in seen.on if layer == 2] == (codes > 0).any(0).nonzero().squeeze(1).tolist()
    assert torch.allclose(seen.values("mean")[2], codes.mean(0))
    marks = seen.marked([(0, 3), (2, 1)])
    assert [own.nonzero().squeeze(1).tolist() for own in marks] == [[3], [], [1]]


def test_a_leading_bos_is_left_out():
    model = WithBos(tiny("llama").double())
    marks = leading_bos(model, BATCHES[0])
    assert marks[0, 0] and not marks[:, 1:].any()
    seen, all_of_them = seen_neurons(model, BATCHES[:1]), seen_neurons(MODEL, BATCHES[:1])
    assert seen.n_tokens == 45 - int(marks.sum())
    lost = MODEL.activations(BATCHES[0].clean, ["mlp_post.0"])["mlp_post.0"][marks].sum(0)
    assert torch.allclose(all_of_them.totals[0] - seen.totals[0], lost)
