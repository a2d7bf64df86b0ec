"""Options of `mechlab trace`: dictionaries are needed, and shares are shares."""

import pytest
from pydantic import ValidationError

from mechlab.verbs.trace_options import TraceOptions


def test_prompt_and_dictionaries_are_needed_and_the_rest_has_defaults():
    options = TraceOptions(prompt="It was", dictionaries=("a", "b"))
    assert options.model == "tales" and options.target == options.against == () and options.position == -1
    for lost in ({"prompt": "It was"}, {"dictionaries": ("a",)}):
        with pytest.raises(ValidationError, match="Field required"):
            TraceOptions(**lost)


@pytest.mark.parametrize("changed", [{"nodes": 0}, {"edges": 1.5}, {"max_features": 0}, {"top": 0}, {"beam": 3}])
def test_what_is_no_share_no_number_or_no_option_is_refused(changed):
    with pytest.raises(ValidationError):
        TraceOptions(prompt="It was", dictionaries=("a",), **changed)
