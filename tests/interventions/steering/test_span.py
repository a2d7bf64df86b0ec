"""A span is a stretch of a row, counted from where its part of the row begins."""

import pytest

from mechlab.core.errors import ConfigError
from mechlab.interventions.steering.span import TokenSpan


def places(span: TokenSpan, n_prompt: int, n_pos: int) -> list[int]:
    start, stop = span.bounds(n_prompt)
    return list(range(n_pos))[start:stop]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (TokenSpan(), [0, 1, 2, 3, 4, 5, 6]),
        (TokenSpan(within="prompt"), [0, 1, 2, 3]),
        (TokenSpan(within="last_prompt"), [3]),
        (TokenSpan(within="decoded"), [4, 5, 6]),
        (TokenSpan(start=2, stop=5), [2, 3, 4]),
        (TokenSpan(within="prompt", start=1, stop=3), [1, 2]),
        (TokenSpan(within="prompt", start=3, stop=9), [3]),
        (TokenSpan(within="decoded", start=1), [5, 6]),
        (TokenSpan(within="decoded", stop=2), [4, 5]),
    ],
)
def test_it_counts_these_places_behind_a_prompt_of_four(span, expected):
    assert places(span, 4, 7) == expected


@pytest.mark.parametrize(
    "values",
    [{"start": 3, "stop": 3}, {"within": "decoded", "start": 4, "stop": 2}, {"within": "last_prompt", "start": 1}],
)
def test_an_empty_one_is_refused(values):
    with pytest.raises(ConfigError, match="span holds no token"):
        TokenSpan(**values)


@pytest.mark.parametrize("values", [{"within": "answer"}, {"start": -1}, {"stop": 0}, {"step": 2}])
def test_what_it_does_not_know_is_refused(values):
    with pytest.raises(ConfigError):
        TokenSpan(**values)
