"""Coloured objects: colours are read from the text itself."""

import re
from collections import Counter

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError, UsageError
from mechlab.corpora.tasks.coloured_objects import TASK, ColouredObjectsConfig


@pytest.fixture(scope="module", params=[2, 3, 8])
def drawn(request, plain, told):
    config = ColouredObjectsConfig(n=10 * request.param, n_objects=request.param)
    return told(TASK.pairs(plain, config), plain), request.param


def read(text: str) -> tuple[list[tuple[str, str]], str]:
    """Return the (colour, object) pairs a text tells, and the object it asks about."""
    (asked,) = set(re.findall(r"(?:color is the|\? The) (\w+)", text))
    return re.findall(r"\ba (\w+) (\w+)", text), asked


def test_the_colour_of_the_asked_object_is_right_in_both_prompts(drawn):
    pairs, n_objects = drawn
    for pair in pairs:
        for text, right in ((pair.text, pair.right), (pair.corrupted, pair.right_corrupted)):
            told, asked = read(text)
            assert len({colour for colour, _ in told}) == len({thing for _, thing in told}) == n_objects
            assert [colour for colour, thing in told if thing == asked] == right
            assert [colour for colour, _ in told] == pair.candidates


def test_only_the_asked_object_changes(drawn):
    for pair in drawn[0]:
        assert read(pair.text)[0] == read(pair.corrupted)[0]
        assert read(pair.text)[1] != read(pair.corrupted)[1]


def test_roles_stand_on_their_words(drawn):
    for pair in drawn[0]:
        told, asked = read(pair.text)
        for number, (colour, thing) in enumerate(told, start=1):
            assert (pair.roles[f"colour_{number}"], pair.roles[f"object_{number}"]) == (colour, thing)
        assert (
            pair.roles["asked"] == pair.roles["asked_again"] == asked == pair.facts["objects"][pair.facts["target"] - 1]
        )
        assert pair.text.endswith(f"The {asked} is") and "is".endswith(pair.roles["END"])
        assert pair.facts["objects"][pair.facts["corrupted_target"] - 1] == pair.corrupted_roles["asked"]


def test_every_place_is_asked_equally_often(drawn):
    pairs, n_objects = drawn
    assert Counter(pair.facts["target"] for pair in pairs) == dict.fromkeys(range(1, n_objects + 1), 10)


def test_tales_have_no_colours(tales):
    with pytest.raises(UsageError, match="no colours: 'tales'"):
        TASK.pairs(tales, ColouredObjectsConfig(style="tales"))


@pytest.mark.parametrize("bad", [1, 9])
def test_too_few_or_too_many_objects_are_refused(bad):
    with pytest.raises(ConfigError, match="n_objects"):
        build(ColouredObjectsConfig, {"n_objects": bad})
