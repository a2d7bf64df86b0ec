"""Numbers are written with the digits they deserve."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechlab.core.estimate import Estimate
from mechlab.views.numbers import duration, interval, measured, number, share


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=10)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (2_000_000, "2,000,000"),
        (12345.678, "12,346"),
        (0.91234, "0.9123"),
        (0.0312345, "0.03123"),
        (-1.5, "−1.500"),
        (3.1e-7, "3.10e−7"),
        (math.nan, "nan"),
        (math.inf, "inf"),
    ],
)
def test_a_number_has_four_significant_digits(value, text):
    assert number(value) == text


@given(st.floats(min_value=1e-4, max_value=1e9))
def test_a_written_number_reads_back_within_its_digits(value):
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=1e-3)


def test_an_interval_sets_the_decimals_of_its_value():
    wide, narrow = estimate(0.912345, 0.8, 1.0), estimate(0.912345, 0.9120, 0.9126)
    assert (measured(wide), interval(wide)) == ("0.91", "[0.80, 1.00]")
    assert (measured(narrow), interval(narrow)) == ("0.91234", "[0.91200, 0.91260]")


def test_a_value_without_spread_is_written_plainly():
    assert (measured(estimate(16, 16, 16)), interval(estimate(16, 16, 16))) == ("16", "[16, 16]")
    assert measured(estimate(0.5, 0.5, 0.5)) == "0.5000"
    assert measured(estimate(0, 0, 0)) == "0"


def test_a_negative_number_has_a_minus_sign_and_zero_has_none():
    assert interval(estimate(0, -0.5, 0.5)) == "[−0.5, 0.5]"
    assert interval(estimate(0.2, -0.001, 0.4)) == "[0.00, 0.40]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (1, "100 %"), (0.31, "31 %"), (0.006, "0.60 %"), (0.999999, "99.99 %"), (1e-9, "< 0.001 %")],
)
def test_a_share_never_pretends_to_be_all_or_nothing(value, text):
    assert share(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(7, "0:07"), (760, "12:40"), (11_100, "3:05:00"), (59.7, "1:00"), (math.inf, "--:--")]
)
def test_a_duration_reads_as_a_clock(seconds, text):
    assert duration(seconds) == text
