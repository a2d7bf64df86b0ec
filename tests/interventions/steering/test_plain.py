"""A mistake in a spec is one line where it is made, however deep it is."""

import pytest

from mechlab.core.errors import ConfigError
from mechlab.interventions.steering.plain import Plain


class Inner(Plain):
    number: float = 1.0


class Outer(Plain):
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"inner": {"numbr": 2.0}}, "Inner has no key: 'numbr'. Did you mean number?"),
        ({"innr": 2}, "Outer has no key: 'innr'. Did you mean inner?"),
        ({"inner": {"number": float("nan")}}, "Inner.number is not valid: nan. Input should be a finite number."),
        ({"inner": 3}, "Inner is not valid. Input should be a valid dictionary or instance of Inner."),
    ],
)
def test_it_is_told_in_one_line(values, line):
    with pytest.raises(ConfigError) as error:
        Outer(**values)
    assert str(error.value) == line


def test_it_is_frozen():
    with pytest.raises(Exception, match="frozen"):
        Outer().inner = Inner()  # type: ignore[misc]
