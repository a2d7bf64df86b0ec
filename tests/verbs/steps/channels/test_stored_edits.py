"""Saved edits are applied again to the same model, and to no other."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.core.errors import ArtifactError
from mechlab.interventions.component_edit import ComponentEdit, edit_components
from mechlab.interventions.component_weights import with_components
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed
from mechlab.store.component_edits import write_component_edits
from mechlab.verbs.steps.channels.stored_edits import open_edits, save_edits


@pytest.fixture(scope="module")
def model():
    return processed(HuggingFaceModel(tiny("gpt2")))


def some_edits():
    direction = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    direction /= direction.norm()
    return [ComponentEdit("ov", 1, 2, direction, 0.5, -1.0), ComponentEdit("qk", 2, 0, direction, 3.0)]


def test_they_do_again_what_they_did(model, tmp_path):
    save_edits(tmp_path / "edits.safetensors", model, some_edits())
    back = open_edits(tmp_path / "edits.safetensors", processed(HuggingFaceModel(tiny("gpt2"))))
    assert torch.equal(with_components(model, back).weights().W_Q, with_components(model, some_edits()).weights().W_Q)
    wanted = with_components(model, some_edits()).logits(token_rows())
    with edit_components(model, back):
        assert torch.allclose(model.logits(token_rows()), wanted, atol=1e-4)
    assert (tmp_path / "edits.safetensors").stat().st_size < 2000


def test_no_edits_at_all_can_be_saved(model, tmp_path):
    save_edits(tmp_path / "none.safetensors", model, [])
    assert open_edits(tmp_path / "none.safetensors", model) == []


@pytest.mark.parametrize(
    "other", [lambda: processed(HuggingFaceModel(tiny("gpt2", seed=1))), lambda: HuggingFaceModel(tiny("gpt2"))]
)
def test_another_model_and_one_processed_otherwise_are_refused(model, tmp_path, other):
    save_edits(tmp_path / "edits.safetensors", model, some_edits())
    with pytest.raises(ArtifactError, match="of another model"):
        open_edits(tmp_path / "edits.safetensors", other())


def test_an_edit_that_lacks_a_number_is_refused(model, tmp_path):
    write_component_edits(tmp_path / "e.safetensors", model.fingerprint, [{"circuit": "ov"}], torch.zeros(1, D_MODEL))
    with pytest.raises(ArtifactError, match="damaged"):
        open_edits(tmp_path / "e.safetensors", model)
