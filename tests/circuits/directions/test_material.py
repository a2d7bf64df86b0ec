"""Material says what a kind lacks, and refuses examples and widths of elsewhere."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny

from mechlab.circuits.directions.examples import separate
from mechlab.circuits.directions.material import MEANING, DirectionMaterial
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

MODEL = HuggingFaceModel(tiny("gpt2"))


@pytest.mark.parametrize("part", MEANING)
def test_what_is_not_there_is_asked_for_by_name(part):
    with pytest.raises(UsageError, match=f"cannot be found without this: '{part}'. Pass {MEANING[part][:9]}"):
        DirectionMaterial(MODEL).need(part)


def test_a_place_is_a_site_of_the_right_width():
    assert DirectionMaterial(MODEL, "blocks.0.hook_mlp_out").place(D_MODEL, "feature") == "mlp_out.0"
    with pytest.raises(UsageError, match=r"feature does not fit the site: 5. mlp_out.0 of"):
        DirectionMaterial(MODEL, "mlp_out.0").place(5, "feature")


def test_examples_are_of_this_model_and_of_the_site_asked_for():
    vectors = torch.randn(3, D_MODEL)
    own = separate("resid_post.1", MODEL.fingerprint, vectors, -vectors)
    assert DirectionMaterial(MODEL, examples=own).own_examples() is own
    assert DirectionMaterial(MODEL, "blocks.1.hook_resid_post", own).own_examples() is own
    with pytest.raises(UsageError, match=r"examples are of another site: 'resid_post.1'"):
        DirectionMaterial(MODEL, "resid_post.0", own).own_examples()
    with pytest.raises(UsageError, match="examples are of another model"):
        DirectionMaterial(HuggingFaceModel(tiny("gpt2", 1)), examples=own).own_examples()
