"""The terminal: a progress bar with rate and ETA on stderr, and tables in which no number stands alone."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bars
from rich.progress import Task as Bar
from rich.table import Table
from rich.text import Text

from mechlab.core.estimate import Estimate
from mechlab.core.progress import SilentTask, Task
from mechlab.views.numbers import duration, interval, measured, number
from mechlab.views.report_data import Fact, MetricRow


class RichProgress:
    """Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool = False, console: Console | None = None, every_s: float = 5.0) -> None:
        self.quiet, self.every_s = quiet, every_s
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
            lines = LineTask(f"{name}", total, unit, say=self.note, every_s=self.every_s)
            yield lines
            lines.close()

    def note(self, line: str) -> None:
        """Print one line to stderr, above the bars."""
        if not self.quiet:
            self.console.print(line, markup=False)

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


def metric_table(rows: Sequence[MetricRow], title: str = "") -> Table:
    """Return a table of metrics: name, what it means and what null predictors score; value, 95 % interval, count."""
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", ratio=1)
    for name in ("value", "95 % interval", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        nulls = "null: " + ", ".join(f"{null.name} {number(null.value, 3)}" for null in row.baselines)
        told = "\n".join([row.meaning, nulls] if row.baselines else [row.meaning])
        first = Text(row.name, style="bold").append(f"\n{told}", style="dim not bold")
        counted = (_with_unit(row.estimate), interval(row.estimate), number(row.estimate.n))
        table.add_row(first, *(Text(cell) for cell in counted))
    return table


def run_card(title: str, facts: Sequence[Fact]) -> Panel:
    """Return a framed card of a run's facts."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for fact in facts:
        grid.add_row(Text(fact.label), Text(fact.value))
    return Panel(grid, title=Text(title), title_align="left", box=box.ROUNDED, expand=False, border_style="dim")


def comparison_table(runs: Mapping[str, Mapping[str, Estimate]], title: str = "") -> Table:
    """Return a table with a row per run and a column per metric; a metric that a run lacks is a dash."""
    names = list(dict.fromkeys(name for metrics in runs.values() for name in metrics))
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", style="bold", no_wrap=True)
    for name in names:
        table.add_column(Text(name), justify="right")
    for run, metrics in runs.items():
        cells = (f"{_with_unit(m)}\n{interval(m)}" if (m := metrics.get(name)) else "–" for name in names)
        table.add_row(Text(run), *(Text(cell) for cell in cells))
    return table


def show(*parts: RenderableType, stderr: bool = False) -> None:
    """Print tables, cards or lines to stdout, or to stderr when stdout is kept for JSON."""
    Console(file=sys.stderr if stderr else sys.stdout, highlight=False).print(*parts, sep="\n")


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


def _with_unit(estimate: Estimate) -> str:
    return f"{measured(estimate)} {estimate.unit}".rstrip()
