"""Errors a user can act on: one line, the value, the remedy, the exit code."""

import pytest

from mechlab.core.errors import ArtifactError, ConfigError, MechlabError, TrainingDiverged, UnknownName, UsageError


def test_the_line_says_what_was_wrong_the_value_and_the_remedy():
    assert str(UsageError("k is too large", value=9, remedy="Use 8 or less.")) == "k is too large: 9. Use 8 or less."


def test_text_is_quoted_and_absent_parts_leave_no_trace():
    assert str(UsageError("unknown site", value="resid")) == "unknown site: 'resid'"
    assert str(UsageError("nothing to do")) == "nothing to do"
    assert str(UsageError("empty", value="")) == "empty: ''"
    assert str(UsageError("zero", value=0, remedy="Use 1.")) == "zero: 0. Use 1."


def test_a_message_of_many_lines_becomes_one():
    error = UsageError("bad", value=[1], remedy="first\n  second\tthird")
    assert str(error) == "bad: [1]. first second third"
    assert error.remedy == "first\n  second\tthird"


@pytest.mark.parametrize("kind", [UsageError, ConfigError, UnknownName, ArtifactError])
def test_a_users_mistake_exits_with_2(kind):
    assert kind("x").exit_code == 2


def test_anything_else_exits_with_1():
    assert MechlabError("x").exit_code == TrainingDiverged("x").exit_code == 1
