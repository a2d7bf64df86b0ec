"""Options of `mechlab features`: numbers of features, however they are written."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.verbs.feature_options import FeatureOptions


@pytest.mark.parametrize("given", [["12", "40"], ("12", "40"), [12, 40]])
def test_features_are_numbers(given):
    assert build(FeatureOptions, {"run": "r", "feature": [str(one) for one in given]}).features == (12, 40)


@pytest.mark.parametrize("given", [["-1"], ["1.5"], ["two"], ["²"], [""]])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(ConfigError, match="12,40"):
        build(FeatureOptions, {"run": "r", "feature": given})


def test_nothing_asked_for_is_no_feature():
    assert FeatureOptions(run="r").features == ()
