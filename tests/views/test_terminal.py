"""The terminal shows progress at once, tells it plainly to a pipe, and keeps stdout for one JSON object."""

import io
import json
import time

import pytest
from rich.console import Console

from mechlab.core.progress import SILENT, Progress
from mechlab.views.table import Table
from mechlab.views.terminal import LineTask, RichProgress, drawn, print_outcome


class Clock:
    """A clock that stands still until it is pushed."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(console_width: int = 120, terminal: bool = False) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=console_width, highlight=False), text


def test_rich_progress_is_a_progress():
    progress: Progress = RichProgress(quiet=True)
    assert callable(progress.task) and callable(progress.note)


def test_a_pipe_gets_a_line_at_the_start_every_five_seconds_and_at_the_end():
    clock, lines = Clock(), []
    task = LineTask("train", 200, "tokens", say=lines.append, every_s=5, clock=clock)
    for _ in range(10):
        clock.now += 1
        task.advance(10, loss=0.25)
    task.close()
    assert lines == [
        "train    0 %  ETA --:--",
        "train   25 %  10 tokens/s  ETA 0:15  loss 0.250",
        "train   50 %  10 tokens/s  ETA 0:10  loss 0.250",
        "train   50 %  10 tokens/s  took 0:10  loss 0.250",
    ]


def test_a_pipe_never_reads_more_than_all_or_fails_on_nothing():
    clock, lines = Clock(), []
    clock.now = 3
    over = LineTask("a", 10, "rows", say=lines.append, every_s=5, clock=clock)
    clock.now = 4
    over.advance(12)
    over.close()
    LineTask("b", 0, "rows", say=lines.append, every_s=5, clock=clock).close()
    assert "100 %" in lines[1] and "100 %" in lines[-1]


def test_a_pipe_gets_plain_text():
    console, text = told()
    progress = RichProgress(console=console)
    with progress.task("train", 10, "steps") as task:
        task.advance(10)
    progress.note("[bold]kept[/bold]")
    assert "\x1b" not in text.getvalue()
    assert text.getvalue().splitlines()[-1] == "[bold]kept[/bold]"


def test_a_bar_is_on_the_terminal_before_a_second_has_passed():
    console, text = told(terminal=True)
    started = time.monotonic()
    with RichProgress(console=console).task("train", 100, "tokens"):
        assert "train" in text.getvalue()
        assert "ETA" in text.getvalue()
        assert time.monotonic() - started < 1


def test_a_bar_shows_rate_numbers_and_time_taken():
    console, text = told(terminal=True)
    with RichProgress(console=console).task("train", 100, "tokens") as task:
        for _ in range(5):
            time.sleep(0.01)
            task.advance(20, loss=0.5)
    last = text.getvalue().split("\r")[-1]
    for part in ("100 %", "tokens/s", "took 0:00", "loss 0.500"):
        assert part in last


def test_tasks_stand_inside_one_another_and_notes_above_them():
    console, text = told(terminal=True)
    progress = RichProgress(console=console)
    with progress.task("outer", 2, "parts") as outer:
        with progress.task("inner", 3, "rows") as inner:
            inner.advance(3)
        progress.note("a note")
        outer.advance(2)
    with progress.task("again", 1, "rows") as again:
        again.advance(1)
    assert all(word in text.getvalue() for word in ("outer", "inner", "a note", "again"))
    assert "outer" not in text.getvalue().splitlines()[-1]


def test_an_error_inside_a_task_passes_and_gives_the_terminal_back():
    console, text = told(terminal=True)
    progress = RichProgress(console=console)
    with pytest.raises(ZeroDivisionError), progress.task("train", 1, "steps"):
        _ = 1 / 0
    assert text.getvalue().rstrip().endswith("\x1b[?25h")
    with progress.task("next", 1, "steps"):
        pass


def test_a_pipe_is_not_told_that_failed_work_is_done():
    console, text = told()
    with pytest.raises(ZeroDivisionError), RichProgress(console=console).task("train", 1, "steps"):
        _ = 1 / 0
    assert "took" not in text.getvalue()


def test_quiet_says_nothing(capsys):
    progress = RichProgress(quiet=True)
    with progress.task("train", 10, "steps") as task:
        task.advance(10, loss=1.0)
    progress.note("hello")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [False, True])
def test_pieces_of_an_answer_go_to_stdout_as_they_are_unless_it_is_json(capsys, quiet):
    RichProgress(quiet=quiet).stream("Once [bold]upon")
    RichProgress(quiet=quiet).stream(" a")
    assert capsys.readouterr() == ("Once [bold]upon a", "")
    RichProgress(quiet=quiet, answers=False).stream("Once")
    SILENT.stream("Once")
    assert capsys.readouterr() == ("", "")


def test_progress_goes_to_stderr(capsys):
    with RichProgress().task("train", 10, "steps") as task:
        task.advance(10)
    out, err = capsys.readouterr()
    assert out == "" and "train" in err


def test_json_stands_alone_on_stdout(capsys):
    table = Table("Metrics", ("metric", "value"), [("L0", "16")])
    print_outcome([table], ["done"], {"l0": 16.0, "name": "é"})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"l0": 16.0, "name": "é"} and out.count("\n") == 1
    assert "Metrics" in err and "done" in err


def test_without_json_tables_and_lines_are_on_stdout(capsys):
    print_outcome([Table("Metrics", ("metric", "value"), [("L0", "16")], note="seed 0")], ["[done]"])
    out, err = capsys.readouterr()
    assert err == "" and all(part in out for part in ("Metrics", "L0", "16", "seed 0", "[done]"))


def test_a_table_aligns_numbers_to_the_right_and_loses_nothing_when_narrow():
    table = Table("", ("name", "value"), [("a" * 60, "1.5"), ("b", "−20")])
    assert [column.justify for column in drawn(table).columns] == ["left", "right"]
    console, text = told(console_width=40)
    console.print(drawn(table))
    assert text.getvalue().count("a") >= 60
    assert "−20" in text.getvalue()
