"""The options of `mechlab codes`: a run, and bounds that can hold."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.verbs.code_options import CodeOptions


@pytest.mark.parametrize(
    ("given", "named"),
    [({}, "run"), ({"min_recall": 1.1}, "min_recall"), ({"min_recall": -0.1}, "min_recall"), ({"top": 0}, "top")],
)
def test_a_missing_run_and_bounds_that_cannot_hold_are_refused(given, named):
    with pytest.raises(ConfigError, match=named):
        build(CodeOptions, {**({"run": "here"} if given else {}), **given})


def test_the_ends_of_the_bounds_are_within():
    assert [build(CodeOptions, {"run": "here", "min_recall": end}).min_recall for end in (0.0, 1.0)] == [0.0, 1.0]
