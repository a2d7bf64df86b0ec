"""A direction is of length one, keeps its natural length, and belongs to one site of one model."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny

from mechlab.circuits.directions.direction import Direction, Facts, directed, refuse_foreign
from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.huggingface import HuggingFaceModel

MODEL = HuggingFaceModel(tiny("gpt2"))
VECTOR = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(0))


def test_a_vector_becomes_a_unit_vector_and_its_length():
    found = directed(MODEL, "blocks.1.hook_resid_post", 3 * VECTOR, "some", "mine", seed=4, n_positive=2)
    assert found.site == "resid_post.1" and (found.kind, found.name) == ("some", "mine")
    assert found.vector.norm().item() == pytest.approx(1, abs=1e-6)
    assert found.scale == pytest.approx(3 * VECTOR.norm().item(), rel=1e-6)
    torch.testing.assert_close(found.scaled, 3 * VECTOR)
    assert found.facts.model == MODEL.fingerprint and found.facts.seed == 4 and found.facts.n_positive == 2


def test_reversed_it_points_the_other_way_and_claims_no_scores():
    found = directed(MODEL, "resid_post.1", VECTOR, "some", "mine", shuffled_p=0.01, n_positive=5)
    torch.testing.assert_close(found.reversed().scaled, -VECTOR)
    assert found.reversed().facts == Facts(model=MODEL.fingerprint) and found.reversed().name == "-mine"


@pytest.mark.parametrize(("vector", "message"), [(0 * VECTOR, "is zero: 'mine'"), (VECTOR / 0, "not finite: 'mine'")])
def test_a_vector_that_points_nowhere_is_refused(vector, message):
    with pytest.raises(UsageError, match=message):
        directed(MODEL, "resid_post.1", vector, "some", "mine")


def test_values_that_are_no_direction_are_refused():
    with pytest.raises(UsageError, match="not of length one"):
        Direction("resid_post.1", 2 * VECTOR, 1.0, "some", "mine", Facts())
    unit = VECTOR / VECTOR.norm()
    for vector, scale in ((unit * torch.nan, 1.0), (unit, float("nan")), (unit, 0.0)):
        with pytest.raises(UsageError, match="not finite"):
            Direction("resid_post.1", vector, scale, "some", "mine", Facts())


def test_it_belongs_to_one_model_and_one_width():
    refuse_foreign(directed(MODEL, "resid_post.1", VECTOR, "some", "mine"), MODEL)
    with pytest.raises(UsageError, match="of another model: 'mine'"):
        refuse_foreign(directed(MODEL, "resid_post.1", VECTOR, "a", "mine"), HuggingFaceModel(tiny("gpt2", seed=1)))
    with pytest.raises(UsageError, match=r"does not fit the site: 32\. mlp_post\.1 of .* has width 48"):
        refuse_foreign(directed(MODEL, "mlp_post.1", VECTOR, "some", "mine"), MODEL)
    with pytest.raises(UnknownName, match="no such layer"):
        directed(MODEL, "resid_post.9", VECTOR, "some", "mine")
