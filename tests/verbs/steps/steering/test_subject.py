"""What steers a model is opened from files and checked against the model before any text is written."""

import pytest
import torch
from verbs.steered_by import direction_file, spec_file, vector

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.core.progress import SILENT
from mechlab.interventions.steering.parts import FeaturePart
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.verbs.steer_options import SteerOptions
from mechlab.verbs.steps.steering.subject import open_steered


def opened(model, **given):
    return open_steered(SteerOptions(prompt="One day", model=str(model), device="cpu", **given), SILENT)


def test_a_direction_is_added_at_its_own_site_at_its_natural_length(model, tmp_path):
    found = opened(model, direction=direction_file(model, tmp_path / "d.safetensors"), strength=2)
    (step,) = found.spec.steps
    assert (step.sites, step.strength, step.operation) == (("resid_post.0",), 2.0, "add") and found.name == "pushed"
    assert torch.allclose(found.sources["pushed"], vector(), atol=1e-4) and found.text is None


def test_options_are_those_of_the_step(model, tmp_path):
    file = direction_file(model, tmp_path / "d.safetensors")
    asked = {"operation": "project_clamp", "within": "decoded", "keep_norm": True, "site": "resid_post.1"}
    (step,) = opened(model, direction=file, **asked).spec.steps
    assert (step.operation, step.span.within, step.keep_norm) == ("project_clamp", "decoded", True)
    assert step.sites == ("resid_post.1",)


def test_a_spec_keeps_its_own_steps_and_its_strengths_are_multiplied(model, tmp_path):
    found = opened(model, spec=spec_file(model, tmp_path, strength=3.0, operation="ablate_add"), strength=0.5)
    (step,) = found.spec.steps
    assert (step.strength, step.operation) == (1.5, "ablate_add")


def test_a_feature_is_at_the_site_of_its_run_and_largest_on_text(model, trained):
    found = opened(model, feature=f"{trained[0]}:2", unit="max_activation", corpus="tales")
    (step,) = found.spec.steps
    assert step.sites == ("resid_post.0",) and step.unit_sizes[0] > 0 and found.name.startswith("feature 2 of")
    seen = found.model.activations(found.text.tokens.long(), ["resid_post.0"])["resid_post.0"]
    (dictionary,) = found.dictionaries.values()
    largest = dictionary.encode(seen)[..., 2][~found.text.special].max()
    assert step.unit_sizes[0] == pytest.approx(float(largest), rel=1e-4)


def test_a_dictionary_of_another_model_is_refused(trained):
    with pytest.raises(ArtifactError, match="dictionary is of another model"):
        opened("tales", feature=f"{trained[0]}:2")


def test_a_spec_whose_names_stand_for_nothing_is_refused(model, tmp_path, trained):
    path = spec_file(model, tmp_path)
    (tmp_path / "spec.safetensors").unlink()
    with pytest.raises(UsageError, match="pushed"):
        opened(model, spec=path)
    step = SteerStep(part=FeaturePart(dictionary=str(trained[0]), feature=1), sites=("resid_post.0",))
    path.write_text(SteerSpec(steps=(step,)).to_json())
    assert list(opened(model, spec=path).dictionaries) == [str(trained[0])]


@pytest.mark.parametrize("text", ["{", "[]", '{"steps": [], "colour": 1}'])
def test_a_spec_that_is_none_is_refused(model, tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UsageError):
        opened(model, spec=tmp_path / "bad.json")
