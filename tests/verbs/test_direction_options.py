"""Options of `mechlab direction`: examples come from one source, and each kind has the options it can use."""

import pytest

from mechlab.circuits.directions import KINDS
from mechlab.core.config import build
from mechlab.core.errors import ConfigError, UsageError
from mechlab.verbs.direction_options import DirectionOptions
from mechlab.verbs.options import visible_fields

ALL = {"model", "compare", "out", "format", "overwrite", "top", "seed", "device", "threads"}


def test_left_out_options_have_values():
    config = build(DirectionOptions, {})
    assert (config.model, config.role, config.combine, config.tokens, config.out) == (
        "tales",
        "END",
        "mean",
        50_000,
        None,
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"positive": "a", "negative": "b", "cause": ["season=winter"]}, "examples are given twice"),
        ({"cause": ["season=winter"], "task": "ioi"}, "examples are given twice: '--cause and --task'"),
        ({"positive": "a"}, "examples of one class only: '--positive'"),
        ({"negative": "a"}, "examples of one class only: '--negative'"),
        ({"cause": ["a", "b", "c"]}, "too many labels"),
    ],
)
def test_examples_have_one_source_and_two_classes(wrong, said):
    with pytest.raises(UsageError, match=said):
        build(DirectionOptions, wrong)


@pytest.mark.parametrize("wrong", [{"format": "pt"}, {"most": 0}, {"prompts": 3}, {"top": 0}, {"combine": "max"}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        build(DirectionOptions, wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_options_for_what_it_needs_and_no_others(kind):
    shown, known = set(visible_fields(DirectionOptions, KINDS[kind])), KINDS[kind]
    assert shown >= ALL
    assert ("site" in shown) == ("site" in known.needs)
    assert ("cause" in shown) == ("positive" in shown) == ("examples" in known.needs)
    assert ("words" in shown) == ("observable" in known.model_fields)
    assert ("dictionary" in shown) == ("root" in shown) == ("dictionary" in known.needs)
    assert ("feature" in shown) == ("feature" in known.model_fields)
    assert ("corpus" in shown) == bool({"examples", "largest"} & set(known.needs))
