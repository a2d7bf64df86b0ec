"""Kinds are had by name, and settings and names that are not theirs are refused."""

import pytest
from circuits.directions.pieces import material

from mechlab.circuits.directions.feature import FeatureDirection
from mechlab.circuits.directions.finding import find_direction
from mechlab.core.errors import ConfigError, UnknownName


def test_a_kind_s_name_and_settings_are_its_config():
    assert find_direction("feature", material(), feature=2).name == FeatureDirection(feature=2).find(material()).name


def test_names_and_settings_that_are_not_there_are_refused():
    with pytest.raises(UnknownName, match=r"unknown kind of direction: 'featur'. Known: feature"):
        find_direction("featur", material())
    with pytest.raises(ConfigError, match=r"FeatureDirection has no key: 'fature'. Did you mean feature"):
        find_direction("feature", material(), feature=1, fature=2)
    with pytest.raises(ConfigError, match="feature is not valid: -1"):
        find_direction("feature", material(), feature=-1)
    with pytest.raises(ConfigError, match="feature is not valid: 'missing'"):
        find_direction("feature", material())
