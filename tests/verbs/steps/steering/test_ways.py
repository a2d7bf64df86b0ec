"""Rivals of a spec: drawn vectors of equal length, other features that are on, and saying it."""

import pytest
import torch
from verbs.steered_by import direction_file

from mechlab.core.progress import SILENT
from mechlab.interventions.steering.feature_direction import feature_direction
from mechlab.verbs.steer_options import SteerOptions
from mechlab.verbs.steps.steering.subject import open_steered
from mechlab.verbs.steps.steering.ways import drawn_directions, drawn_features, ways_of


def opened(model, **given):
    options = SteerOptions(prompt="One day", model=str(model), device="cpu", corpus="tales", compare=True, **given)
    return open_steered(options, SILENT)


@pytest.fixture(scope="module")
def by_direction(model, tmp_path_factory):
    return opened(model, direction=direction_file(model, tmp_path_factory.mktemp("d") / "d.safetensors"), strength=2)


@pytest.fixture(scope="module")
def by_feature(model, trained):
    return opened(model, feature=f"{trained[0]}:2", unit="max_activation", strength=3)


def push(spec, sources):
    """Return the vector that a spec of one added vector adds."""
    (step,) = spec.steps
    size = step.unit_sizes[0] / sources[step.part.name].norm() if step.unit_sizes else 1
    return step.strength * size * sources[step.part.name]


def test_a_drawn_vector_is_as_long_and_points_elsewhere(by_direction):
    drawn = push(*drawn_directions(by_direction, 0))
    own = push(by_direction.spec, by_direction.sources)
    assert drawn.norm() == pytest.approx(float(own.norm()), rel=1e-5)
    assert abs(float(drawn @ own / own.norm() ** 2)) < 0.9
    assert torch.equal(drawn, push(*drawn_directions(by_direction, 0)))
    assert not torch.equal(drawn, push(*drawn_directions(by_direction, 1)))


def test_it_is_as_long_in_a_unit_that_was_measured(model, tmp_path):
    found = opened(model, direction=direction_file(model, tmp_path / "d.safetensors"), unit="mean_norm", strength=0.5)
    own = push(found.spec, found.sources)
    assert push(*drawn_directions(found, 0)).norm() == pytest.approx(float(own.norm()), rel=1e-5)


def test_a_drawn_vector_for_a_feature_is_as_long_as_what_it_adds(by_feature):
    drawn = push(*drawn_directions(by_feature, 0))
    (dictionary,) = by_feature.dictionaries.values()
    (size,) = by_feature.spec.steps[0].unit_sizes
    own = feature_direction(dictionary, 2, unit=False).norm() * 3 * size
    assert drawn.norm() == pytest.approx(float(own), rel=1e-5)


def test_codes_have_no_drawn_vector(model, trained):
    assert drawn_directions(opened(model, feature=f"{trained[0]}:2", operation="clamp"), 0) is None


def test_another_feature_is_on_somewhere_and_measured_anew(by_feature):
    (own,), (other,) = by_feature.spec.steps, drawn_features(by_feature, 0).steps
    assert other.part.dictionary == own.part.dictionary and other.strength == own.strength
    seen = by_feature.model.activations(by_feature.text.tokens.long(), ["resid_post.0"])["resid_post.0"]
    (dictionary,) = by_feature.dictionaries.values()
    largest = dictionary.encode(seen)[..., other.part.feature][~by_feature.text.special].max()
    assert other.unit_sizes[0] == pytest.approx(float(largest), rel=1e-4)


def test_a_direction_has_no_other_feature(by_direction):
    assert drawn_features(by_direction, 0) is None


def test_every_way_has_the_ladder_but_prompting(by_direction, by_feature):
    ways = ways_of(by_direction, (0.5, 1.0), "It was winter.", 0)
    assert [(way.name, list(way.edits)) for way in ways] == [
        ("as asked", [0.5, 1.0]),
        ("random direction", [0.5, 1.0]),
        ("prompting", [1.0]),
    ]
    assert ways[-1].said_before == "It was winter."
    assert [way.name for way in ways_of(by_feature, (1.0,), None, 0)][2] == "random feature"


def test_a_way_s_edit_is_its_multiple_of_the_spec(by_direction):
    model, own = by_direction.model, push(by_direction.spec, by_direction.sources)
    tokens = model.to_tokens("One day Mary")
    clean = model.activations(tokens, ["resid_post.0"])["resid_post.0"]
    with ways_of(by_direction, (0.5,), None, 0)[0].edits[0.5]():
        seen = model.activations(tokens, ["resid_post.0"])["resid_post.0"]
    assert torch.allclose(seen - clean, (0.5 * own).expand_as(clean), atol=1e-3)
