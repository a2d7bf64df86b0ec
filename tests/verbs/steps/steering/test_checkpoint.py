"""A steered checkpoint is there as a whole or not at all."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.circuits.directions.direction import directed
from mechlab.core.errors import UsageError
from mechlab.interventions.steering.parts import VectorPart
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.loaders import load
from mechlab.verbs.steps.steering import checkpoint as steered_checkpoint
from mechlab.verbs.steps.steering.subject import Steered


def steered(family: str) -> Steered:
    model = HuggingFaceModel(tiny(family))
    direction = directed(model, "resid_post.1", torch.randn(D_MODEL), "mean_difference", "pushed")
    step = SteerStep(part=VectorPart(name="pushed"), strength=2.0, sites=("resid_post.1",))
    return Steered(model, SteerSpec(steps=(step,)), (direction,), {}, None, "pushed")


def test_the_checkpoint_is_the_steered_model_and_what_a_stopped_one_left_is_gone(tmp_path):
    own, tokens = steered("gpt2"), token_rows()
    (tmp_path / ".m.unfinished").mkdir()
    (tmp_path / ".m.unfinished" / "old").write_text("left")
    steered_checkpoint.write_steered(tmp_path / "m", own)
    with steer_by(own.model, own.spec, own.sources):
        wanted = own.model.logits(tokens)
    assert torch.allclose(load(tmp_path / "m").logits(tokens), wanted, atol=1e-5)
    assert [one.name for one in tmp_path.iterdir()] == ["m"] and not (tmp_path / "m" / "old").exists()


def test_nothing_is_left_where_writing_fails_or_the_class_has_no_bias(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="another one"):
        steered_checkpoint.write_steered(tmp_path / "m", steered("llama"))
    assert not list(tmp_path.iterdir())

    def broken(model, folder):
        folder.mkdir()
        (folder / "config.json").write_text("half")
        raise OSError("disk is full")

    monkeypatch.setattr(steered_checkpoint, "save_model", broken)
    with pytest.raises(OSError, match="full"):
        steered_checkpoint.write_steered(tmp_path / "m", steered("gpt2"))
    assert not list(tmp_path.iterdir())
