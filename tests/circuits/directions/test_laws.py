"""Laws every kind of direction obeys; a kind is tested by being registered."""

from dataclasses import fields
from functools import lru_cache
from typing import Any

import pytest
import torch
from circuits.directions.pieces import material

from mechlab.circuits.directions import KINDS
from mechlab.circuits.directions.direction import Direction, refuse_foreign
from mechlab.circuits.directions.finding import find_direction
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.circuits.observables.observable import Observable
from mechlab.core.config import Config, build
from mechlab.core.errors import UsageError

pytestmark = pytest.mark.parametrize("kind", KINDS)
REQUIRED = {
    "feature": 3,
    "code": 7,
    "layer": 1,
    "head": 2,
    "observable": Observable(name="odd", tokens=(7, 3), weights=(1.0, -2.0)),
}


def settings(kind: str) -> dict[str, Any]:
    """Return what the kind's config cannot do without."""
    return {name: REQUIRED[name] for name, field in KINDS[kind].model_fields.items() if field.is_required()}


@lru_cache(maxsize=2)
def everything(codebooks: bool) -> DirectionMaterial:
    return material(codebooks=codebooks)


def found(kind: str) -> Direction:
    return find_direction(kind, everything("code" in settings(kind)), **settings(kind))


def test_the_registry_and_the_class_agree_on_the_name(kind):
    assert KINDS[kind].kind == kind == found(kind).kind


def test_a_direction_is_of_length_one_of_this_model_and_of_a_site_it_fits(kind):
    one = found(kind)
    assert one.vector.norm().item() == pytest.approx(1, abs=1e-5) and one.vector.dtype == torch.float32
    model = everything("code" in settings(kind)).model
    assert one.facts.model == model.fingerprint and one.scale > 0 and one.name
    refuse_foreign(one, model)


def test_the_same_settings_find_the_same_direction(kind):
    one, again = found(kind), found(kind)
    assert torch.equal(one.vector, again.vector)
    assert (one.scale, one.name, one.facts) == (again.scale, again.name, again.facts)


def test_a_kind_is_a_config_that_can_be_written_down(kind):
    config = build(KINDS[kind], settings(kind))
    assert isinstance(config, Config)
    assert build(KINDS[kind], config.model_dump(mode="json")) == config
    assert type(found(kind).facts).model_validate_json(found(kind).facts.model_dump_json()) == found(kind).facts


def test_without_its_material_it_says_in_one_line_what_is_missing(kind):
    bare = DirectionMaterial(material().model)
    try:
        find_direction(kind, bare, **settings(kind))
    except UsageError as error:
        assert "\n" not in str(error)
        assert "without this" in str(error) or "no codebooks" in str(error)
    else:
        assert kind in ("observable", "component"), "what follows from the model alone"


def test_it_says_which_material_it_needs_and_what_its_settings_are_for(kind):
    known = {field.name for field in fields(DirectionMaterial)} - {"model"}
    assert set(KINDS[kind].needs) <= known
    assert [name for name, field in KINDS[kind].model_fields.items() if not field.description] == []


def test_what_it_needs_is_enough(kind):
    whole = everything("code" in settings(kind))
    only = {part: getattr(whole, part) for part in KINDS[kind].needs}
    one = find_direction(kind, DirectionMaterial(whole.model, **only), **settings(kind))
    assert one.kind == kind and one.site == found(kind).site
