"""Estimates: a number with its interval and its count."""

import math

import pytest
from pydantic import ValidationError

from mechlab.core.estimate import Estimate


def test_it_reads_as_value_interval_unit_and_count():
    text = str(Estimate(value=0.12345, low=0.1, high=0.15, n=500, unit="nats"))
    assert text == "0.1235 [0.1, 0.15] nats (n=500)"
    assert str(Estimate(value=1, low=1, high=1, n=2)) == "1 [1, 1] (n=2)"


def test_an_interval_runs_upwards():
    with pytest.raises(ValidationError, match="runs upwards"):
        Estimate(value=1, low=2, high=1, n=3)
    assert Estimate(value=1, low=1, high=1, n=3).low == 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_it_is_finite(value):
    with pytest.raises(ValidationError):
        Estimate(value=value, low=0, high=1, n=3)


def test_a_count_is_not_negative():
    with pytest.raises(ValidationError):
        Estimate(value=1, low=0, high=2, n=-1)
