"""Edited weights are a copy's, exact, and taken back by the inverse factor."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.interventions.component_edit import ComponentEdit
from mechlab.interventions.component_weights import with_components
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed


@pytest.fixture(scope="module")
def model() -> HuggingFaceModel:
    return processed(HuggingFaceModel(tiny("gpt2")))


def edit_of(circuit: str, factor: float, constant: float = 0.0) -> ComponentEdit:
    direction = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return ComponentEdit(circuit, 1, 2, direction / direction.norm(), factor, constant)


def test_the_matrices_are_those_of_the_formula_and_no_other_head_changes(model):
    write, look = edit_of("ov", 0.25), edit_of("qk", -2.0)
    found, before = with_components(model, [write, look]).weights().layers, model.weights().layers
    eye, along = torch.eye(D_MODEL, dtype=torch.float64), write.direction
    scaled = {"W_O": before[1].W_O[2].double() @ (eye - 0.75 * torch.outer(along, along))}
    scaled["W_Q"] = (eye - 3.0 * torch.outer(along, along)) @ before[1].W_Q[2].double()
    for name, wanted in scaled.items():
        assert torch.allclose(getattr(found[1], name)[2].double(), wanted, atol=1e-6)
        others = [0, 1, 3]
        assert torch.equal(getattr(found[1], name)[others], getattr(before[1], name)[others])
        assert torch.equal(getattr(found[0], name), getattr(before[0], name))


@pytest.mark.parametrize("circuit", ["ov", "qk"])
def test_the_inverse_takes_an_edit_back_and_the_model_itself_stays(model, circuit):
    tokens = token_rows()
    before = model.logits(tokens)
    there = with_components(model, [edit_of(circuit, 4.0)])
    back = with_components(there, [edit_of(circuit, 0.25)])
    assert torch.allclose(back.logits(tokens), before, atol=1e-5)
    assert torch.equal(model.logits(tokens), before) and not torch.allclose(there.logits(tokens), before, atol=1e-3)
    assert back.processing[-2:] == ("components edited: 1", "components edited: 1")


def test_a_model_with_an_open_edit_or_without_folded_norms_is_refused(model):
    with model.edit({"z.0": lambda z: z}), pytest.raises(UsageError, match="open edit"):
        with_components(model, [edit_of("ov", 0.0)])
    with pytest.raises(UsageError, match="norms are folded"):
        with_components(HuggingFaceModel(tiny("gpt2")), [edit_of("ov", 0.0)])
