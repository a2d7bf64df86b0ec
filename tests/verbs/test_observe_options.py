"""Options of `mechlab observe` have a range, and say so."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.verbs.observe_options import ObserveOptions


def test_words_are_all_that_is_needed():
    config = build(ObserveOptions, {"words": "she"})
    assert (config.model, config.norms, config.combine, config.task, config.against) == (
        "tales",
        "cheap",
        "mean",
        None,
        "",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        *({"norms": "exact"}, {"combine": "max"}, {"effect": "straight"}, {"prompts": 3}),
        *({"draws": 0}, {"beam": 0}, {"top": 0}, {"readers": -1}, {"paths": 0}),
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        build(ObserveOptions, {"words": "she", **wrong})
