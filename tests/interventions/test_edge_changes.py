"""Edges that carry another pass change what their readers hear and nothing else, as the reference library has it."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.lens_edges import LensEdges
from oracles.tiny_models import tiny

from mechlab.circuits.outcomes import LogitDifference
from mechlab.core.errors import UsageError
from mechlab.interventions.edge_changes import change_edges, written
from mechlab.interventions.wiring import wiring_of
from mechlab.models.huggingface import HuggingFaceModel

FAMILIES = ["gpt2", "neox_parallel", "neox_sequential", "llama", "qwen2", "mistral"]


def preferences(model, wiring, pairs, outside):
    others, copies = (
        written(model, wiring, pairs.corrupted),
        pairs.select(torch.arange(len(pairs)).repeat(len(outside))),
    )
    with torch.no_grad(), change_edges(model, wiring, others, outside):
        logits = model.logits(copies.clean)[:, -1]
    return LogitDifference().of(logits, {}, copies).unflatten(0, (len(outside), -1))


@pytest.mark.parametrize("family", FAMILIES)
def test_random_sets_of_edges_are_the_reference_librarys(family):
    hf_model, pairs = tiny(family), random_pairs(3)
    model, lens = HuggingFaceModel(hf_model), LensEdges(hf_model)
    wiring = wiring_of(model)
    drawn = torch.rand(2, *wiring.is_edge.shape, generator=torch.Generator().manual_seed(1))
    outside = (drawn < torch.tensor([0.04, 0.5])[:, None, None]) & wiring.is_edge
    found = preferences(model, wiring, pairs, outside)
    clean = lens.preferences(pairs.clean, pairs)
    for mine, circuit in zip(found, outside, strict=True):
        ends = [(wiring.sources[s], wiring.readers[r].name) for s, r in circuit.nonzero().tolist()]
        wanted = lens.patched(pairs, ends)
        assert torch.allclose(mine, wanted, atol=2e-5)
        assert (wanted - clean).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_no_edge_outside_is_the_clean_run_and_all_of_them_are_the_corrupted_one(family):
    model, pairs = HuggingFaceModel(tiny(family)), random_pairs(3)
    wiring = wiring_of(model)
    whole, none = preferences(model, wiring, pairs, torch.stack([torch.zeros_like(wiring.is_edge), wiring.is_edge]))
    clean, corrupted = (LogitDifference().of(model.logits(t)[:, -1], {}, pairs) for t in (pairs.clean, pairs.corrupted))
    assert torch.allclose(whole, clean, atol=1e-5) and torch.allclose(none, corrupted, atol=1e-5)
    assert (clean - corrupted).abs().max() > 1e-2


def test_a_model_is_left_as_it_was_and_a_second_batch_is_read_anew():
    model, pairs = HuggingFaceModel(tiny("gpt2")), random_pairs(3)
    wiring = wiring_of(model)
    before, others = model.logits(pairs.clean), written(model, wiring, pairs.corrupted)
    with torch.no_grad(), change_edges(model, wiring, others, wiring.is_edge[None]):
        first, other, again = (model.logits(tokens) for tokens in (pairs.clean, pairs.corrupted, pairs.clean))
    assert torch.equal(first, again) and torch.allclose(other, first, atol=1e-5)
    assert torch.equal(model.logits(pairs.clean), before) and not model.in_use


def test_edges_that_do_not_exist_and_other_batches_are_refused():
    model, pairs = HuggingFaceModel(tiny("gpt2")), random_pairs(3)
    wiring, others = wiring_of(model), written(model, wiring_of(model), pairs.corrupted)
    with (
        pytest.raises(UsageError, match="do not hear sources outside"),
        change_edges(model, wiring, others, torch.ones(1, *wiring.is_edge.shape).bool()),
    ):
        pass
    with (
        change_edges(model, wiring, others, wiring.is_edge[None]),
        pytest.raises(UsageError, match="do not fit the batch"),
    ):
        model.logits(pairs.clean.repeat(2, 1))
