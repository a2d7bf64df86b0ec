"""A random feature is any that fires but those left out, at the length asked for."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from circuits.directions.pieces import D_SAE, material

from mechlab.circuits.directions.feature import FeatureDirection
from mechlab.circuits.directions.random_feature import RandomFeature
from mechlab.core.errors import UsageError


def drawn(some, n: int = 200, **more) -> set[int]:
    return {RandomFeature(seed=seed, **more).find(some).facts.details["feature"] for seed in range(n)}


def test_every_feature_that_fires_is_drawn_and_none_that_is_left_out():
    plain = material()
    fires = {feature for feature in range(D_SAE) if plain.largest[feature] > 0}
    assert fires != set(range(D_SAE))
    assert drawn(plain, but_not=(min(fires), 999)) == fires - {min(fires)}
    assert drawn(replace(plain, largest=None)) == set(range(D_SAE))


def test_it_is_the_feature_s_direction_at_the_length_asked_for():
    found = RandomFeature(seed=1, length=4.5).find(material())
    own = FeatureDirection(feature=found.facts.details["feature"]).find(material())
    torch.testing.assert_close(found.vector, own.vector)
    assert found.scale == pytest.approx(4.5) and RandomFeature(seed=1).find(material()).scale == own.scale


def test_of_a_set_it_is_drawn_within_a_layer_and_none_may_be_left():
    plain = material()
    transcoders = replace(plain, dictionary=random_set("relu", plain.model.spec), largest=None)
    assert RandomFeature(layer=2).find(transcoders).site == "mlp_out.2"
    with pytest.raises(UsageError, match="no feature is left to draw: 24"):
        RandomFeature(but_not=tuple(range(D_SAE))).find(plain)
