"""Progress nobody watches: it takes every report and prints nothing."""

import pytest

from mechlab.core.progress import SILENT


def test_silence_takes_every_report(capsys):
    with SILENT.task("train", 10, "tokens") as task:
        task.advance(3, loss=0.5)
        task.advance(7)
    SILENT.note("done")
    assert capsys.readouterr() == ("", "")


def test_silence_hides_no_error():
    with pytest.raises(ZeroDivisionError), SILENT.task("train", 10, "tokens"):
        raise ZeroDivisionError
