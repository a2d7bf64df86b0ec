"""Options of `mechlab patch` have a range, and say so."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.verbs.patch_options import PatchOptions


def test_a_task_is_all_that_is_needed():
    config = build(PatchOptions, {"task": "ioi"})
    assert (config.model, config.method, config.by, config.select) == ("tales", "eap-ig", "signed", "best")


@pytest.mark.parametrize(
    "wrong",
    [{"prompts": 3}, {"steps": 0}, {"kinds": ["neuron"]}, {"by": "rank"}, {"direction": "up"}, {"outcome": "loss"}],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        build(PatchOptions, {"task": "ioi", **wrong})
