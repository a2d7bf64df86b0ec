"""The terminal: a progress bar with rate and ETA on stderr; tables for people or one JSON object on stdout."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bars
from rich.progress import Task as Bar
from rich.table import Table as RichTable
from rich.text import Text

from mechlab.core.progress import SilentTask, Task
from mechlab.views.numbers import duration, number
from mechlab.views.table import Table

KEPT_WIDTHS = (24, 10)  # how far the first column, and each other, is kept from being squeezed on a narrow terminal


class RichProgress:
    """Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere, nothing when quiet.

    Pieces of an answer go to stdout, quiet or not, unless stdout `answers` with nothing but JSON.
    """

    def __init__(
        self, *, quiet: bool = False, answers: bool = True, console: Console | None = None, every_s: float = 5.0
    ) -> None:
        self.quiet, self.answers, self.every_s = quiet, answers, every_s
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = Bars(*_columns(), console=self.console, refresh_per_second=8)

    @contextmanager
    def task(self, name: str, total: float, unit: str) -> Iterator[Task]:
        """Yield a task shown from its first moment; tasks may stand inside one another."""
        if self.quiet:
            yield SilentTask()
        elif self.console.is_terminal:
            with self._bar(name, total, unit) as bar:
                yield bar
        else:
            lines = LineTask(name, total, unit, say=self.note, every_s=self.every_s)
            yield lines
            lines.close()

    def note(self, line: str) -> None:
        """Print one line to stderr, above the bars."""
        if not self.quiet:
            self.console.print(line, markup=False)

    def stream(self, text: str) -> None:
        """Write a piece of the answer to stdout, at once."""
        if self.answers:
            sys.stdout.write(text)
            sys.stdout.flush()

    @contextmanager
    def _bar(self, name: str, total: float, unit: str) -> Iterator[Task]:
        outermost = not self._bars.live.is_started
        if outermost:
            self._bars.start()
        bar = self._bars.add_task(name, total=total, unit=unit, numbers="")
        try:
            yield BarTask(self._bars, bar)
        finally:
            if outermost:
                self._bars.stop()
                for done in list(self._bars.task_ids):
                    self._bars.remove_task(done)


class BarTask:
    """A task drawn as a bar."""

    def __init__(self, bars: Bars, bar: object) -> None:
        self._bars, self._bar = bars, bar

    def advance(self, amount: float, **numbers: float) -> None:
        """Move the bar by `amount` units and show the numbers beside it."""
        fields = {"numbers": _beside(numbers)} if numbers else {}
        self._bars.update(self._bar, advance=amount, **fields)  # pyright: ignore[reportArgumentType]


class LineTask:
    """A task told in plain lines: one at the start, one every `every_s` seconds, one at the end."""

    def __init__(
        self,
        name: str,
        total: float,
        unit: str,
        *,
        say: Callable[[str], None],
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.total, self.unit, self.every_s = name, total, unit, every_s
        self._say, self._clock = say, clock
        self._done, self._beside = 0.0, ""
        self._started = self._spoke = clock()
        self._speak()

    def advance(self, amount: float, **numbers: float) -> None:
        """Count `amount` units as done; say so if the last line is old enough."""
        self._done += amount
        self._beside = _beside(numbers) or self._beside
        if self._clock() - self._spoke >= self.every_s:
            self._speak()

    def close(self) -> None:
        """Say the last line, with the time taken."""
        self._speak(f"took {duration(self._clock() - self._started)}")

    def _speak(self, ending: str = "") -> None:
        self._spoke = self._clock()
        rate = self._done / max(self._spoke - self._started, 1e-9)
        ending = ending or f"ETA {duration((self.total - self._done) / rate if self._done else float('inf'))}"
        speed = f"{number(rate, 3)} {self.unit}/s" if self._done else ""
        percent = f"{min(1.0, self._done / self.total) if self.total else 1.0:4.0%}".replace("%", " %")
        self._say("  ".join(part for part in (self.name, percent, speed, ending, self._beside) if part))


def print_outcome(tables: Sequence[Table], lines: Sequence[str], data: Mapping[str, Any] | None = None) -> None:
    """Print tables and lines to stdout; with `data`, print that as one JSON object there and all else to stderr."""
    console = Console(stderr=data is not None, highlight=False)
    for table in tables:
        console.print(drawn(table))
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if data is not None:
        sys.stdout.write(f"{json.dumps(data, allow_nan=False)}\n")


def drawn(table: Table) -> RichTable:
    """Return the table as rich draws it: columns of numbers to the right, a cell's further lines dim."""
    look = RichTable(title=Text(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    look.caption, look.caption_justify = Text(table.note) if table.note else None, "left"
    for place, name in enumerate(table.columns):
        numeric = all(_numeric(row[place]) for row in table.rows if row[place])
        widest = max((len(row[place].partition("\n")[0]) for row in table.rows), default=0)
        kept = min(max(widest, len(name)), KEPT_WIDTHS[min(place, len(KEPT_WIDTHS) - 1)])
        look.add_column(Text(name), justify="right" if numeric else "left", overflow="fold", min_width=kept)
    for row in table.rows:
        look.add_row(*(_cell(text) for text in row))
    return look


def _numeric(cell: str) -> bool:
    return cell.lstrip("[−-<~ ")[:1].isdigit()


def _cell(text: str) -> Text:
    first, newline, rest = text.partition("\n")
    return Text(first).append(newline + rest, style="dim")


class _Rate(ProgressColumn):
    """Units per second, measured over the last half minute."""

    def render(self, task: Bar) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{number(float(speed), 3)} {task.fields['unit']}/s" if speed else "", style="cyan")


class _Remaining(ProgressColumn):
    """The ETA while the task runs, the time taken once it is done."""

    max_refresh = 0.5

    def render(self, task: Bar) -> Text:
        if task.finished:
            return Text(f"took {duration(task.finished_time or 0.0)}", style="dim")
        left = task.time_remaining
        return Text(f"ETA {duration(float('inf') if left is None else left)}")


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f} %"),
        _Rate(),
        _Remaining(),
        TextColumn("{task.fields[numbers]}", style="dim", markup=False),
    )


def _beside(numbers: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {number(float(value), 3)}" for name, value in numbers.items())
