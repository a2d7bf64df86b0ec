"""Activation patching gives what the reference library's own patching gives, in both directions."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.tiny_models import N_HEADS, N_LAYERS, hooked_transformer, tiny
from transformer_lens import patching

from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.activation_patching import activation_patching
from mechlab.circuits.patching.settings import PatchSettings
from mechlab.models.huggingface import HuggingFaceModel


@pytest.fixture(scope="module", params=["gpt2", "llama", "gemma2"])
def both(request):
    hf_model = tiny(request.param)
    return HuggingFaceModel(hf_model), hooked_transformer(hf_model)


def metric(pairs):
    return lambda logits: LogitDifference().of(logits[:, -1], {}, pairs).mean()


@pytest.mark.parametrize("direction", ["noising", "denoising"])
def test_heads_at_every_token_are_the_reference_librarys(both, direction):
    model, lens = both
    pairs = random_pairs(3)
    run, other = (pairs.clean, pairs.corrupted) if direction == "noising" else (pairs.corrupted, pairs.clean)
    _, cache = lens.run_with_cache(other)
    wanted = patching.get_act_patch_attn_head_out_all_pos(lens, run, cache, metric(pairs)) - metric(pairs)(lens(run))
    scores = activation_patching(model, [pairs], LogitDifference(), PatchSettings(direction=direction, kinds=("head",)))
    sign = -1 if direction == "noising" else 1
    assert torch.allclose(scores.mean.unflatten(0, (N_LAYERS, N_HEADS)), sign * wanted.double(), atol=3e-5)
    assert wanted.abs().max() > 1e-2


def test_roles_are_positions_of_the_reference_library(both):
    model, lens = both
    pairs = random_pairs(1)
    _, cache = lens.run_with_cache(pairs.corrupted)
    clean = metric(pairs)(lens(pairs.clean))
    settings = PatchSettings(kinds=("resid_pre", "attn_out", "mlp_out"), at=("IO", "END"))
    scores = activation_patching(model, [pairs], LogitDifference(), settings).mean.unflatten(0, (3, N_LAYERS, 2))
    for kind, patch in enumerate(
        (patching.get_act_patch_resid_pre, patching.get_act_patch_attn_out, patching.get_act_patch_mlp_out)
    ):
        wanted = clean - patch(lens, pairs.clean, cache, metric(pairs))
        for role, name in enumerate(("IO", "END")):
            own = wanted[:, int(pairs.positions[name])]
            assert torch.allclose(scores[kind, :, role], own.double(), atol=3e-5), (kind, name)
    assert scores.abs().max() > 1e-3


def test_the_whole_stream_of_the_first_layer_is_the_corrupted_run(both):
    model, _ = both
    pairs = random_pairs(3)
    scores = activation_patching(model, [pairs], LogitDifference(), PatchSettings(kinds=("resid_pre",), rows_at_once=2))
    clean, corrupted = (LogitDifference().of(model.logits(t)[:, -1], {}, pairs) for t in (pairs.clean, pairs.corrupted))
    assert torch.allclose(scores.values[:, 0], (clean - corrupted).double(), atol=1e-5)
    assert [node.name for node in scores.patched] == [f"resid_pre.{layer}" for layer in range(N_LAYERS)]
