"""Parts are told apart by their kind, also where they are read from text."""

import pytest
from pydantic import TypeAdapter

from mechlab.core.errors import ConfigError
from mechlab.interventions.steering.parts import CodePart, ComponentPart, FeaturePart, Part, VectorPart

PARTS = [
    VectorPart(name="v"),
    FeaturePart(dictionary="sae", feature=3),
    FeaturePart(dictionary="set", feature=3, layer=1),
    CodePart(code=4),
    ComponentPart(circuit="qk", layer=1, head=2, name="u"),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.kind)
def test_a_part_is_read_back_as_what_it_was(part):
    read = TypeAdapter(Part).validate_json(part.model_dump_json())
    assert read == part and type(read) is type(part)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (FeaturePart, {"dictionary": "sae", "feature": -1}),
        (CodePart, {"code": -1}),
        (ComponentPart, {"circuit": "mlp", "layer": 0, "head": 0, "name": "u"}),
        (VectorPart, {"name": "v", "strength": 2}),
    ],
)
def test_what_no_model_has_is_refused(kind, values):
    with pytest.raises(ConfigError):
        kind(**values)
