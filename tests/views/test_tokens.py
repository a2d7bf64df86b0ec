"""Tokens are shown so that no two different tokens look the same by accident."""

import pytest

from mechlab.views.tokens import alone, in_text


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("joy", "joy"),
        (" joy", "␣joy"),
        ("  ", "␣␣"),
        ("joy ", "joy␣"),
        (" a b ", "␣a b␣"),
        ("", "∅"),
        ("\n", "↵"),
        ("\t\r", "⇥␍"),
        ("\x00", "\\u0000"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("<s>", "<s>"),
        ("é家", "é家"),
    ],
)
def test_a_token_alone_shows_what_the_eye_cannot_see(token, shown):
    assert alone(token) == shown


def test_a_token_in_text_keeps_its_spaces():
    assert in_text(" joy ") == " joy "
    assert in_text(" a\nb") == " a↵b"
