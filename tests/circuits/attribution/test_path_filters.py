"""Patterns fit the steps that they say, and filters keep the paths whose steps stand as asked, each once."""

import pytest

from mechlab.circuits.attribution.path_filters import StepPattern, paths_with
from mechlab.circuits.attribution.paths import Path, Step
from mechlab.core.errors import UsageError

TOKEN, ERROR, HEAD = Step("token", None, 1), Step("error", 0, 2), Step("head", 1, 3, 2, 1)
FEATURE, LATER, TARGET = Step("feature", 0, 3, 17), Step("feature", 2, 3, 4), Step("target", 3, 3, 0)


def path(*steps: Step) -> Path:
    return Path((*steps, TARGET), (0.0,) * (len(steps) + 1))


LONG, SHORT, LAST = path(TOKEN, FEATURE, HEAD, LATER), path(TOKEN, HEAD), path(ERROR, LATER)
ALL = [LONG, SHORT, LAST]


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("", [TOKEN, ERROR, HEAD, FEATURE, LATER, TARGET]),
        ("head", [HEAD]),
        ("layer<1", [ERROR, FEATURE]),
        ("layer<=1", [ERROR, HEAD, FEATURE]),
        ("layer>1", [LATER, TARGET]),
        ("layer>=1", [HEAD, LATER, TARGET]),
        ("layer=1", [HEAD]),
        ("layer!=0", [HEAD, LATER, TARGET]),
        ("feature!=17", [LATER]),
        ("feature position=3 layer<2", [FEATURE]),
        ("head=2 source=1", [HEAD]),
        ("source!=0", [HEAD]),
        ("number>=4 number<17", [LATER]),
    ],
)
def test_a_pattern_fits_the_steps_that_it_says(text, fitting):
    pattern = StepPattern.parse(text)
    assert [step for step in (TOKEN, ERROR, HEAD, FEATURE, LATER, TARGET) if pattern.fits(step)] == fitting


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("neuron", "no such kind or condition of a step: 'neuron'"),
        ("layer<x", "no such kind or condition"),
        ("kind=3", "no such kind or condition"),
        ("token head=1", "a step is of one kind"),
    ],
)
def test_a_pattern_that_says_nothing_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        StepPattern.parse(text)


def test_paths_begin_hold_and_end_as_asked():
    assert paths_with(ALL, beginning=["token"]) == (LONG, SHORT)
    assert paths_with(ALL, beginning=["token", "head"]) == (SHORT,)
    assert paths_with(ALL, within=["head", "feature layer>1"]) == (LONG,)
    assert paths_with(ALL, within=["token", "feature", "feature"]) == ()
    assert paths_with(ALL, end=["feature layer=2", "target"]) == (LONG, LAST)
    assert paths_with(ALL, end=["head"]) == () and paths_with(ALL, end=[""] * 4) == (LONG,)
    assert paths_with(ALL, without=["feature layer=0", "error"]) == (SHORT,)
    assert paths_with(ALL, beginning=["token"], without=["skip"], end=["head", "target"]) == (SHORT,)


def test_no_path_is_given_twice():
    assert paths_with([SHORT, LONG, SHORT], within=["head"]) == (SHORT, LONG)
