"""Edits of components in activations do what the formula says, where it says, and agree with edited weights."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, FAMILIES, tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.interventions.component_edit import ComponentEdit, edit_components
from mechlab.interventions.component_weights import with_components
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed


def unit(seed: int = 0) -> torch.Tensor:
    direction = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return direction / direction.norm()


def folded(family: str) -> HuggingFaceModel:
    return processed(HuggingFaceModel(tiny(family)))


@pytest.fixture(scope="module")
def model() -> HuggingFaceModel:
    return folded("gpt2")


def both_circuits(factor: float, constant: float) -> list[ComponentEdit]:
    return [
        ComponentEdit("ov", 0, 1, unit(1), factor, constant),
        ComponentEdit("ov", 1, 2, unit(2), factor, constant),
        ComponentEdit("qk", 1, 3, unit(3), factor, constant),
        ComponentEdit("qk", 2, 0, unit(4), factor, constant),
    ]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("factor", "constant"), [(0.0, 0.0), (2.5, 0.0), (0.0, 1.5), (-1.0, 0.3)])
def test_edited_activations_and_edited_weights_give_the_same_logits(family, factor, constant):
    model, tokens = folded(family), token_rows()
    edits = both_circuits(factor, constant)
    if model.spec.post_norms:
        edits = [edit for edit in edits if edit.circuit == "qk" or not edit.constant]
    with edit_components(model, edits):
        seen = model.logits(tokens)
    own = with_components(model, edits)
    assert torch.allclose(own.logits(tokens), seen, atol=1e-4 * float(seen.abs().max()))
    assert not torch.allclose(model.logits(tokens), seen, atol=1e-2)


def test_a_written_part_is_scaled_or_set_and_nothing_across_it_changes(model):
    tokens, along = token_rows(), unit()
    before = model.activations(tokens, ["head.1.2"])["head.1.2"].double()
    for factor, constant in ((0.0, 0.0), (3.0, 0.0), (0.0, -2.0)):
        edit = ComponentEdit("ov", 1, 2, along, factor, constant)
        with edit_components(model, [edit]), model.read("head.1.2") as found:
            model.logits(tokens)
        after = found["head.1.2"].double()
        assert torch.allclose(after @ along, before @ along * factor + constant, atol=1e-5)
        across = torch.eye(D_MODEL, dtype=torch.float64) - torch.outer(along, along)
        assert torch.allclose(after @ across, before @ across, atol=1e-5)


def test_a_query_is_what_it_would_be_if_it_saw_the_part_scaled(model):
    tokens, along, layer = token_rows(), unit(), model.weights().layers[1]
    found = model.activations(tokens, ["ln1_normalized.1", "q.1"])
    seen = found["ln1_normalized.1"].double()
    changed = seen + (0.25 - 1) * (seen @ along)[..., None] * along + 0.5 * along
    wanted = changed @ layer.W_Q[3].double() + layer.b_Q[3].double()
    with edit_components(model, [ComponentEdit("qk", 1, 3, along, 0.25, 0.5)]), model.read("q.1") as edited:
        model.logits(tokens)
    assert torch.allclose(edited["q.1"][:, :, 3].double(), wanted, atol=1e-5)
    assert torch.allclose(edited["q.1"][:, :, :3], found["q.1"][:, :, :3], atol=1e-6)


def test_several_edits_of_one_head_add_up(model):
    first, second = unit(1), unit(2)
    second = second - (second @ first) * first
    edits = [ComponentEdit("ov", 1, 2, first), ComponentEdit("ov", 1, 2, second / second.norm())]
    with edit_components(model, edits), model.read("head.1.2") as found:
        model.logits(token_rows())
    left = found["head.1.2"].double() @ torch.stack([edit.direction for edit in edits]).T
    assert left.abs().max() < 1e-5


@pytest.mark.parametrize("circuit", ["ov", "qk"])
def test_only_the_positions_asked_for_are_edited_in_generation_too(model, circuit):
    site = "head.1.2" if circuit == "ov" else "q.1"
    edit = ComponentEdit(circuit, 1, 2, unit(), 5.0, 1.0)
    tokens = token_rows(n_pos=6)
    plain = model.activations(tokens, [site])[site]
    with edit_components(model, [edit], positions=range(2, 4)), model.read(site) as found:
        model.logits(tokens)
    changed = (found[site] - plain).abs().flatten(2).amax(-1) > 1e-4
    assert changed.tolist() == [[False, False, True, True, False, False]] * 2
    rows = []
    for use_cache in (True, False):
        with edit_components(model, [edit], positions=range(7, 30)):
            draw = torch_generator(0, "test")
            rows.append(model.generate(tokens, 12, temperature=1.0, generator=draw, use_cache=use_cache))
    assert torch.equal(*rows)


def test_no_edit_changes_nothing(model):
    tokens = token_rows()
    with edit_components(model, []):
        assert torch.equal(model.logits(tokens), model.logits(tokens))


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (ComponentEdit("ov", 3, 0, unit()), "no such layer or head"),
        (ComponentEdit("ov", 0, 4, unit()), "no such layer or head"),
        (ComponentEdit("ov", 0, 0, unit()[:5]), "does not fit the model"),
        (ComponentEdit("qk", 0, 0, 2 * unit()), "not of length one"),
    ],
)
def test_an_edit_of_another_model_is_refused(model, edit, line):
    with pytest.raises(UsageError, match=line):
        edit_components(model, [edit])


def test_a_norm_that_is_not_folded_is_refused():
    with pytest.raises(UsageError, match="behind a folded norm"):
        edit_components(HuggingFaceModel(tiny("gpt2")), [ComponentEdit("qk", 0, 0, unit())])
