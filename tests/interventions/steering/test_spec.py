"""A spec is plain data: it goes to text and back, adds up, and refuses what does not fit together."""

import json

import pytest

from mechlab.core.errors import ConfigError, UsageError
from mechlab.interventions.steering.parts import CodePart, ComponentPart, FeaturePart, VectorPart
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerGate, SteerSpec, SteerStep

V, F = VectorPart(name="v"), FeaturePart(dictionary="sae", feature=3)
STEPS = (
    SteerStep(part=V, sites=("resid_post.1", "resid_post.2"), unit="mean_norm", unit_sizes=(0.1, 1 / 3), strength=-2.5),
    SteerStep(part=F, operation="clamp", sites=("resid_post.1",), keep_norm=True, unit="max_activation"),
    SteerStep(part=V, operation="project_clamp", sites=("resid_mid",), origin="b_dec", span=TokenSpan(start=2, stop=9)),
    SteerStep(part=CodePart(code=7), operation="activate", sites=("mlp_out.1",)),
    SteerStep(part=ComponentPart(layer=1, head=0, name="v"), operation="scale", strength=0),
    SteerStep(
        part=F, operation="min_clamp", sites=("resid_post.1",), gate=SteerGate(part=V, above=0.1, site="resid_pre.0")
    ),
)


def test_a_spec_goes_to_text_and_back():
    spec = SteerSpec(steps=STEPS, model="0" * 64)
    assert SteerSpec.from_json(spec.to_json()) == spec
    assert hash(SteerSpec.from_json(spec.to_json())) == hash(spec)
    assert SteerSpec.from_json("{}") == SteerSpec()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"steps": 3}', '{"step": []}', '{"steps": [{"part": {}}]}'])
def test_text_that_is_no_spec_is_refused_in_one_line(text):
    with pytest.raises(ConfigError) as error:
        SteerSpec.from_json(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", [(), ("part",), ("span",), ("gate",), ("gate", "part")])
def test_a_key_that_is_not_known_is_refused_wherever_it_stands(place):
    values = json.loads(SteerSpec(steps=STEPS[-1:]).to_json())
    inside = values["steps"][0]
    for name in place:
        inside = inside[name]
    inside["strenght"] = 2
    with pytest.raises(ConfigError, match="has no key: 'strenght'"):
        SteerSpec.from_json(json.dumps(values))


REFUSED = {
    "nan": ({"part": V, "strength": float("nan")}, "finite"),
    "infinity": ({"part": V, "strength": float("inf")}, "finite"),
    "threshold": ({"part": V, "gate": {"part": V, "above": float("nan")}}, "finite"),
    "operation": ({"part": V, "operation": "push"}, "operation is not valid: 'push'"),
    "unit": ({"part": V, "unit": "sigma"}, "unit is not valid: 'sigma'"),
    "size": ({"part": V, "unit": "mean_norm", "unit_sizes": (0.0,)}, "unit_sizes"),
    "codes of a vector": ({"part": V, "operation": "clamp"}, "operation is not made with a vector: 'clamp'"),
    "slots of a feature": ({"part": F, "operation": "activate"}, "not made with a feature: 'activate'"),
    "factor with a unit": ({"part": V, "operation": "scale", "unit": "mean_norm"}, "strength of scale has no unit"),
    "code in norms": ({"part": F, "operation": "clamp", "unit": "mean_norm"}, "codes are in no unit of norms"),
    "origin": ({"part": F, "operation": "clamp", "origin": "b_dec"}, "takes no part along a direction"),
    "origin of what is added": ({"part": V, "origin": "b_dec"}, "add takes no part along a direction"),
    "gated code": ({"part": CodePart(code=1), "operation": "activate", "keep_norm": True}, "codes are put where"),
    "no site": ({"part": V, "sites": ()}, "a vector needs a site"),
    "a site too many": ({"part": ComponentPart(layer=0, head=0, name="v")}, "a component knows its own site"),
    "a site of a set": ({"part": FeaturePart(dictionary="s", feature=0, layer=1)}, "a feature knows its own site"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_together_is_refused_in_one_line(name):
    values, line = REFUSED[name]
    with pytest.raises(ConfigError, match=line) as error:
        SteerStep(**{"sites": ("resid_post.1",), **values})
    assert "\n" not in str(error.value)


def test_specs_add_up_in_their_order():
    first, second = SteerSpec(steps=STEPS[:2], model="a"), SteerSpec(steps=STEPS[2:])
    assert first + second == SteerSpec(steps=STEPS, model="a")
    assert second + first == SteerSpec(steps=STEPS[2:] + STEPS[:2], model="a")
    with pytest.raises(UsageError, match="specs are for different models: 'b'"):
        first + SteerSpec(model="b")


def test_a_multiple_has_every_strength_multiplied_and_all_else_as_it_is():
    spec = SteerSpec(steps=STEPS, model="a")
    doubled = spec.times(2)
    assert [step.strength for step in doubled.steps] == [2 * step.strength for step in STEPS]
    assert doubled.times(0.5) == spec
    with pytest.raises(ConfigError, match="finite"):
        spec.times(float("inf"))
