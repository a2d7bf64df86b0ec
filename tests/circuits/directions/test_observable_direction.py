"""An observable's direction is its gradient in front of the path's source, as autograd has it."""

import pytest
import torch
from circuits.directions.pieces import cosine
from circuits.observables.held import OBSERVABLE, WEIGHTS, held

from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.circuits.directions.observable_direction import ObservableDirection
from mechlab.circuits.observables.prompt_points import prompt_points
from mechlab.core.errors import UnknownName, UsageError


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_at_a_prompt_s_point_it_is_the_gradient_before_the_last_norm(family):
    small = held(family)
    points = prompt_points(small.model, small.tokens, ["logits"], [-1])
    found = ObservableDirection(observable=OBSERVABLE, norms="exact").find(
        DirectionMaterial(small.model, points=points)
    )
    wanted = small.exact.final_slope(WEIGHTS, -1)
    torch.testing.assert_close(found.scaled.double(), wanted, atol=1e-5, rtol=1e-4)
    assert found.site == "resid_post.2" and found.name == "odd through logits"


def test_through_a_head_it_stands_in_front_of_that_head():
    model = held("gpt2").model
    path = ("head.1.2", "logits")
    found = ObservableDirection(observable=OBSERVABLE, path=path, norms="skip").find(DirectionMaterial(model))
    layer, read = model.weights().layers[1], OBSERVABLE.direction(model.weights()).double()
    wanted = layer.W_V[2].double() @ layer.W_O[2].double() @ read
    assert cosine(found.vector, wanted) == pytest.approx(1, abs=1e-5) and found.site == "resid_pre.1"
    assert found.facts.details == {"path": "head.1.2 -> logits"}


def test_what_cannot_be_handed_back_is_refused():
    small = held("gpt2")
    with pytest.raises(UnknownName, match="stop is not known"):
        ObservableDirection(observable=OBSERVABLE, path=("hed.1", "logits")).find(DirectionMaterial(small.model))
    with pytest.raises(UsageError, match="point"):
        ObservableDirection(observable=OBSERVABLE, norms="exact").find(DirectionMaterial(small.model))
    (point,) = prompt_points(small.model, small.tokens, ["logits"], [-1]).values()
    many = {"logits": type(point)(stream=point.stream.expand(3, -1))}
    with pytest.raises(UsageError, match=r"several points at logits: \[3, 32\]"):
        ObservableDirection(observable=OBSERVABLE, norms="exact").find(DirectionMaterial(small.model, points=many))
