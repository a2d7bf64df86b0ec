"""Heads' values from another prompt: the scores are those of patching one head of one prompt by brute force."""

from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from circuits.asked_pairs import random_pairs
from circuits.observables.held import OBSERVABLE, WEIGHTS
from oracles.held_model import HeldModel
from oracles.tiny_models import tiny

from mechlab.circuits.observables.ov_patching import ov_patching
from mechlab.circuits.patching.settings import PatchSettings
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

FAMILIES = [("gpt2", 1e-10), ("neox_parallel", 1e-10), ("neox_sequential", 1e-10), ("llama", 1e-4)]


@lru_cache(maxsize=4)
def by_brute_force(family, n=2):
    """Return every prompt's frozen, real and recomputed score of every head, clean less patched."""
    hf_model, pairs, found = tiny(family).double(), random_pairs(n), []
    for clean, corrupted in zip(pairs.clean, pairs.corrupted, strict=True):
        run, other = (HeldModel(hf_model, tokens[None]) for tokens in (clean, corrupted))
        live = HeldModel(hf_model, clean[None], hold_patterns=False)
        along, rows = HeldModel(hf_model, clean[None], hold_norms=True).final_slope(WEIGHTS, -1), []
        for layer in range(3):
            for head in range(4):
                # The other prompt's stream, read with the pattern of the run.
                before, after = (run.heads_write(layer, [head], one.streams[layer]) for one in (run, other))
                straight = run.module.get_output_embeddings()(run.final((run.streams[-1] + after - before)[None]))
                again = live.logits_plus(layer, after - before)
                value = run.values[-1] @ WEIGHTS
                rows.append(
                    ((before - after)[-1] @ along, value - straight[0, -1] @ WEIGHTS, value - again[-1] @ WEIGHTS)
                )
        found.append(torch.tensor(rows, dtype=torch.float64))
    return torch.stack(found).unbind(-1)


@pytest.mark.parametrize(("family", "tolerance"), FAMILIES)
@pytest.mark.parametrize("rows_at_once", [128, 5, 1])
def test_scores_are_those_of_brute_force(family, tolerance, rows_at_once):
    model = HuggingFaceModel(tiny(family).double())
    settings = PatchSettings(rows_at_once=rows_at_once)
    found = ov_patching(model, [random_pairs(2)], OBSERVABLE, settings, recomputed=True)
    for own, wanted in zip((found.frozen, found.real, found.recomputed), by_brute_force(family), strict=True):
        assert torch.allclose(own.values, wanted, atol=tolerance) and wanted.abs().max() > 0.01
    assert [one.site for one in found.real.patched] == [f"head.{lay}.{head}" for lay in range(3) for head in range(4)]
    assert len({found.frozen.method, found.real.method, found.recomputed.method}) == 3


def test_the_last_layers_heads_are_worth_the_same_straight_and_recomputed():
    model = HuggingFaceModel(tiny("neox_parallel").double())
    found = ov_patching(model, [random_pairs(2)], OBSERVABLE, recomputed=True)
    assert torch.allclose(found.real.values[:, 8:], found.recomputed.values[:, 8:], atol=1e-10)
    assert not torch.allclose(found.real.values[:, :8], found.recomputed.values[:, :8], atol=1e-3)


def test_denoising_is_noising_of_exchanged_prompts_with_the_sign_turned():
    model, pairs = HuggingFaceModel(tiny("gpt2").double()), random_pairs(3)
    back = ov_patching(model, [pairs], OBSERVABLE, PatchSettings(direction="denoising"))
    forth = ov_patching(model, [pairs.exchanged()], OBSERVABLE)
    assert torch.allclose(back.real.values, -forth.real.values, atol=1e-12) and back.recomputed is None
    assert torch.allclose(back.frozen.values, -forth.frozen.values, atol=1e-12)


def test_equal_prompts_give_no_score_however_a_narrow_model_rounds():
    model, pairs = HuggingFaceModel(tiny("llama").to(torch.bfloat16)), random_pairs(2)
    found = ov_patching(model, [replace(pairs, corrupted=pairs.clean)], OBSERVABLE, recomputed=True)
    for scores in (found.frozen, found.real, found.recomputed):
        assert scores.values.abs().max() < 1e-12


def test_scores_are_a_graph_to_the_observable():
    model = HuggingFaceModel(tiny("gpt2").double())
    found = ov_patching(model, [random_pairs(2), random_pairs(1, n_pos=6, seed=2)], OBSERVABLE).frozen
    graph = found.graph()
    assert found.values.shape == (3, 12) and {edge.target for edge in graph.edges} == {"odd"}
    assert graph.strongest(1).edges[0].effect == pytest.approx(float(found.mean[found.mean.abs().argmax()]))


def test_no_prompts_and_other_models_are_refused():
    with pytest.raises(UsageError, match="no prompts to patch"):
        ov_patching(HuggingFaceModel(tiny("gpt2")), [], OBSERVABLE)
    with pytest.raises(UsageError, match="write through a norm"):
        ov_patching(HuggingFaceModel(tiny("gemma2")), [random_pairs(2)], OBSERVABLE)
