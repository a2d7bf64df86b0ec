"""Options of `mechlab steer` fit together, or are refused in one line."""

import pytest

from mechlab.core.errors import UsageError
from mechlab.verbs.steer_options import SteerOptions


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "steer by one thing: 'nothing'"),
        ({"feature": "a:1", "direction": "b"}, "steer by one thing: '--feature and --direction'"),
        ({"feature": "a:1", "concept": "snow"}, "--concept is for comparisons: 'snow'"),
        ({"feature": "a:1", "out": "x"}, "--out is for comparisons"),
        ({"feature": "a:1", "also": ("It",)}, "--also is for comparisons"),
        ({"feature": "a:1", "judge": "tales"}, "--judge is for comparisons"),
        ({"feature": "a:1", "compare": True, "judge": "tales"}, "--judge is asked about a concept"),
        ({"feature": "a:1", "compare": True, "say": "It was winter."}, "--say is a rival for a concept"),
    ],
)
def test_what_does_not_fit_together_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        SteerOptions(prompt="One day", **given)


def test_one_thing_to_steer_by_is_enough():
    options = SteerOptions(prompt="One day", direction="winter.safetensors")
    assert (options.operation, options.unit, options.strength, options.within) == ("add", "own", 1.0, "all")
