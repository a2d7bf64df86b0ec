"""A component's direction is a singular vector of the head's own matrices, at the place where it stands."""

import pytest
import torch
from circuits.directions.pieces import cosine
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.circuits.directions.component import ComponentDirection
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed

MODEL = HuggingFaceModel(tiny("llama"))


def matrix() -> torch.Tensor:
    """Return the oracle: the whole OV matrix of head 1.2 of the processed model."""
    layer = processed(MODEL).weights().layers[1]
    return layer.W_V[2].double() @ layer.W_O[2].double()


@pytest.mark.parametrize(("side", "site"), [("write", "attn_out.1"), ("read", "ln1_normalized.1")])
def test_it_is_the_singular_vector_of_its_side(side, site):
    left, values, right = torch.linalg.svd(matrix())
    wanted = right[3] if side == "write" else left[:, 3]
    found = ComponentDirection(layer=1, head=2, number=3, side=side).find(DirectionMaterial(MODEL))
    assert abs(cosine(found.vector, wanted)) == pytest.approx(1, abs=1e-5)
    assert found.scale == pytest.approx(float(values[3]), rel=1e-5) and found.site == site
    given = ComponentDirection(layer=1, head=2, number=3, side=side).find(
        DirectionMaterial(MODEL, circuits=head_circuits(MODEL))
    )
    assert torch.equal(given.vector, found.vector)


def test_both_sides_are_turned_together():
    read, write = (
        ComponentDirection(layer=1, head=2, side=side).find(DirectionMaterial(MODEL)) for side in ("read", "write")
    )
    torch.testing.assert_close(read.vector.double() @ matrix(), write.scaled.double(), atol=1e-5, rtol=1e-5)


def test_what_a_head_writes_lies_among_its_components():
    out = MODEL.activations(token_rows(1, 6), ["head.1.2"])["head.1.2"][0, -1].double()
    basis = torch.stack(
        [ComponentDirection(layer=1, head=2, number=n).find(DirectionMaterial(MODEL)).vector.double() for n in range(8)]
    )
    torch.testing.assert_close(basis.T @ (basis @ out), out, atol=1e-4, rtol=1e-4)


def test_a_component_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"no such component: '1\.9\.0'. Layers are 0\.\.2, heads 0\.\.3"):
        ComponentDirection(layer=1, head=9).find(DirectionMaterial(MODEL))
    with pytest.raises(UsageError, match="no such component"):
        ComponentDirection(layer=1, head=2, number=99).find(DirectionMaterial(MODEL))
