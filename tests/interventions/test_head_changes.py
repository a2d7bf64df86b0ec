"""Changes of what heads write: each kind by its formula, only where it is asked, seen by all that comes after."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.core.errors import UnknownName, UsageError
from mechlab.interventions.component_edit import ComponentEdit, edit_components
from mechlab.interventions.head_changes import change_heads, exchanged, moved, restricted, scaled
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed

HEAD = (1, 2)


def directions(n: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(D_MODEL, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(drawn).Q.T.float()


@pytest.fixture(scope="module")
def model() -> HuggingFaceModel:
    return processed(HuggingFaceModel(tiny("gpt2")))


def written(model: HuggingFaceModel, change=None, where=None) -> torch.Tensor:
    changes = {} if change is None else {HEAD: change}
    with change_heads(model, changes, where=where), model.read("head.1.2") as found:
        model.logits(token_rows())
    return found["head.1.2"].clone()


def test_parts_are_scaled_and_set_as_component_edits_do(model):
    along = directions(1)
    edit = ComponentEdit("ov", 1, 2, along[0], 0.25, -1.5)
    with edit_components(model, [edit]):
        wanted = model.logits(token_rows())
    with change_heads(model, {HEAD: scaled(along, 0.25, -1.5)}):
        found = model.logits(token_rows())
    assert torch.allclose(found, wanted, atol=1e-5)


def test_scaling_two_parts_leaves_what_is_across_them(model):
    along, before = directions(2), written(model)
    after = written(model, scaled(along, torch.tensor([0.0, 3.0])))
    assert torch.allclose(after @ along.T, before @ along.T * torch.tensor([0.0, 3.0]), atol=1e-5)
    across = torch.eye(D_MODEL) - along.T @ along
    assert torch.allclose(after @ across, before @ across, atol=1e-5)


def test_a_moved_part_is_as_long_as_the_one_taken_away_and_points_elsewhere(model):
    both, before = directions(2), written(model)
    along, onto = both[:1], both[1:]
    taken, gone = written(model, scaled(along)) - before, written(model, moved(along, onto)) - before
    assert torch.allclose(taken.norm(dim=-1), gone.norm(dim=-1), atol=1e-5)
    assert torch.allclose(gone @ onto.T, -(before @ along.T), atol=1e-5)
    assert (gone @ along.T).abs().max() < 1e-5


def test_exchanged_parts_are_the_other_pass_s_and_the_rest_is_this_one_s(model):
    along, before = directions(3), written(model)
    other = torch.randn(before.shape, generator=torch.Generator().manual_seed(1))
    after = written(model, exchanged(along, other))
    assert torch.allclose(after @ along.T, other @ along.T, atol=1e-5)
    across = torch.eye(D_MODEL) - along.T @ along
    assert torch.allclose(after @ across, before @ across, atol=1e-5)


def test_a_restricted_change_has_nothing_outside_the_span(model):
    along, span, before = directions(1), directions(4, seed=5), written(model)
    whole, only = written(model, scaled(along)) - before, written(model, restricted(scaled(along), span)) - before
    assert torch.allclose(only, whole @ span.T @ span, atol=1e-5)
    assert float(only.norm()) < 0.9 * float(whole.norm())


def test_only_marked_tokens_change(model):
    where = torch.zeros(token_rows().shape, dtype=torch.bool)
    where[0, 2] = where[1, -1] = True
    before, after = written(model), written(model, scaled(directions(1)), where)
    changed = ((after - before).abs() > 1e-6).any(-1)
    assert torch.equal(changed, where)


def test_marks_of_another_batch_and_unknown_heads_are_refused(model):
    with pytest.raises(UsageError, match="do not fit the batch"):
        written(model, scaled(directions(1)), torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(UnknownName):
        change_heads(model, {(0, 99): scaled(directions(1))}).__enter__()
