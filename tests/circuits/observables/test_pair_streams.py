"""Two passes over pairs of prompts, read where paths through values need them."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.tiny_models import tiny

from mechlab.circuits.observables.pair_streams import pair_streams
from mechlab.models.huggingface import HuggingFaceModel


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama"])
def test_points_are_the_clean_prompts_and_differences_clean_less_corrupted(family):
    model, pairs = HuggingFaceModel(tiny(family).double()), random_pairs(3)
    found = pair_streams(model, pairs)
    middle = "resid_pre.1" if model.spec.parallel else "resid_mid.1"
    names = ["v.1", "pattern.1", "resid_pre.1", middle, "mlp_out.1", "resid_pre.0", "resid_post.2"]
    clean, corrupted = (model.activations(tokens, names) for tokens in (pairs.clean, pairs.corrupted))
    for own, name in ((found.pre[1], "resid_pre.1"), (found.mid[1], middle), (found.patterns[1], "pattern.1")):
        assert torch.allclose(own, clean[name], atol=1e-12)
    for own, name in ((found.written[1], "mlp_out.1"), (found.start, "resid_pre.0"), (found.end_gap, "resid_post.2")):
        assert torch.allclose(own, clean[name] - corrupted[name], atol=1e-12)
    group = 4 // model.spec.n_kv_heads
    gap = clean["v.1"] - corrupted["v.1"]
    for head in range(4):
        assert torch.allclose(found.values[1][:, :, head], gap[:, :, head // group], atol=1e-12)
    assert torch.allclose(found.end, clean["resid_post.2"], atol=1e-12) and len(found.pre) == 3


def test_nothing_differs_in_front_of_the_first_token_that_does():
    found = pair_streams(HuggingFaceModel(tiny("llama").to(torch.bfloat16)), random_pairs(3))
    for gaps in (*found.values, *found.written, found.start, found.end_gap):
        assert not gaps[:, :4].any() and gaps[:, 4:].any()
