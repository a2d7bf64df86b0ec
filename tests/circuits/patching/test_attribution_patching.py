"""Attribution patching is the difference along the gradient that autograd gives in the reference library."""

from typing import get_args

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.lens_edges import LensEdges
from oracles.tiny_models import N_HEADS, N_LAYERS, tiny

from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.attribution_patching import attribution_patching
from mechlab.circuits.patching.settings import NodeKind, PatchSettings
from mechlab.models.huggingface import HuggingFaceModel

KINDS = {
    "head": "attn.hook_result",
    "attn_out": "hook_attn_out",
    "mlp_out": "hook_mlp_out",
    "resid_pre": "hook_resid_pre",
}


def by_hand(lens, pairs, name):
    """Return the difference along the gradient at a hook point, position by position."""
    seen = {}

    def begin(value, hook):
        return value.detach().clone().requires_grad_()

    def keep(value, hook):
        value.retain_grad()
        seen[hook.name] = value

    with torch.enable_grad():
        lens.preferences(pairs.clean, pairs, [("blocks.0.hook_resid_pre", begin), (name, keep)]).sum().backward()
    _, other = lens.model.run_with_cache(pairs.corrupted)
    return ((seen[name].detach() - other[name]) * seen[name].grad).sum(-1)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_scores_are_differences_along_gradients_at_every_token_and_at_roles(family):
    hf_model, pairs = tiny(family), random_pairs(4)
    model, lens, kinds = HuggingFaceModel(hf_model), LensEdges(hf_model), get_args(NodeKind)
    whole = attribution_patching(model, [pairs], LogitDifference(), PatchSettings(kinds=kinds))
    at_end = attribution_patching(
        model, [pairs], LogitDifference(), PatchSettings(kinds=kinds, at=("S1", "END"), rows_at_once=3)
    )
    scores = dict(zip((node.name for node in whole.patched), whole.values.T, strict=True))
    scores |= dict(zip((node.name for node in at_end.patched), at_end.values.T, strict=True))
    rows, places = torch.arange(len(pairs)), pairs.positions["S1"]
    largest = []
    for kind, hook in KINDS.items():
        for layer in range(N_LAYERS):
            along = by_hand(lens, pairs, f"blocks.{layer}.{hook}").double()
            for head in range(N_HEADS) if kind == "head" else (None,):
                name = f"{kind}.{layer}" if head is None else f"head.{layer}.{head}"
                own = along if head is None else along[:, :, head]
                assert torch.allclose(scores[name], own.sum(1), atol=3e-5), name
                assert torch.allclose(scores[f"{name}@S1"], own[rows, places], atol=3e-5), name
                assert torch.allclose(scores[f"{name}@END"], own[:, -1], atol=3e-5), name
                largest.append(float(own.abs().max()))
    assert min(largest) > 1e-4


def test_the_other_direction_has_the_gradient_of_the_corrupted_prompt():
    model, pairs = HuggingFaceModel(tiny("gpt2")), random_pairs(3)
    denoising = attribution_patching(model, [pairs], LogitDifference(), PatchSettings(direction="denoising"))
    wanted = attribution_patching(model, [pairs.exchanged()], LogitDifference())
    assert torch.allclose(denoising.values, wanted.values, atol=1e-5) and wanted.values.abs().max() > 1e-2
