"""Parts add up to the logit difference, and each is what the reference library attributes to it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from circuits.asked_pairs import random_pairs
from circuits.patching.small_models import small
from oracles.tiny_models import D_VOCAB, hooked_transformer, tiny

from mechlab.circuits.patching.logit_attribution import answer_weights, logit_attribution
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


@pytest.mark.parametrize(("family", "tolerance"), [("gpt2", 1e-10), ("neox_parallel", 1e-4), ("llama", 1e-4)])
def test_parts_sum_to_the_logit_difference(family, tolerance):
    found = small(family)
    parts = logit_attribution(found.model, [found.pairs, random_pairs(2, n_pos=12, seed=3)], rows_at_once=2)
    assert parts.parts == (*found.wiring.sources, "bias") and parts.values.shape == (5, len(parts.parts))
    assert torch.allclose(parts.values.sum(1), parts.total, atol=tolerance)
    assert torch.allclose(parts.total[:3], found.lens.preferences(found.pairs.clean, found.pairs).double(), atol=1e-4)
    assert parts.values.abs().amax(0).min() > 1e-3 or family == "llama"


def test_heads_and_mlps_are_the_reference_librarys():
    hf_model, pairs = tiny("gpt2"), random_pairs(4)
    lens = hooked_transformer(hf_model, fold_ln=True, center_writing_weights=True, center_unembed=True)
    cache: Any = lens.run_with_cache(pairs.clean)[1]
    right, wrong = ((pairs.candidates * flags).sum(1) for flags in (pairs.is_right, ~pairs.is_right))
    heads = cache.stack_head_results(pos_slice=-1)
    mlps = torch.stack([cache["mlp_out", layer][:, -1] for layer in range(lens.cfg.n_layers)])
    stack = torch.cat([heads, mlps])
    wanted = cache.logit_attrs(stack, tokens=right, incorrect_tokens=wrong, pos_slice=-1, has_batch_dim=True)
    found = logit_attribution(HuggingFaceModel(hf_model), [pairs])
    names = [f"head.{label[1:].replace('H', '.')}" for label in cache.stack_head_results(return_labels=True)[1]]
    order = [found.parts.index(name) for name in [*names, "mlp.0", "mlp.1", "mlp.2"]]
    assert torch.allclose(found.values[:, order[:12]].T, wanted[:12].double(), atol=1e-4)
    biases = torch.stack([layer.b_out for layer in HuggingFaceModel(hf_model).weights().layers])
    assert biases.abs().max() > 0.1 and torch.allclose(found.values[:, order[12:]].T, wanted[12:].double(), atol=1e-4)


def test_several_right_answers_count_by_their_mean():
    pairs = random_pairs(2)
    candidates = torch.tensor([[3, 4, 5], [9, 8, 7]])
    is_right = torch.tensor([[True, True, False], [False, True, False]])
    weights = answer_weights(
        replace(pairs, candidates=candidates, is_right=is_right, is_right_corrupted=~is_right), D_VOCAB
    )
    assert weights[0, [3, 4, 5]].tolist() == [0.5, 0.5, -1] and weights[1, [9, 8, 7]].tolist() == [-0.5, 1, -0.5]
    assert weights.abs().sum() == 4


def test_no_prompts_are_refused():
    with pytest.raises(UsageError, match="no prompts to attribute"):
        logit_attribution(small("gpt2").model, [])
