"""A table as plain data: what a verb has to show, before anyone decides how to draw it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mechlab.views.numbers import interval, measured, number
from mechlab.views.report_data import Fact, MetricRow


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns, a note below them; a cell's lines after its first explain it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default_factory=tuple)
    note: str = ""


def metric_table(rows: Sequence[MetricRow], title: str = "Metrics") -> Table:
    """Return the metrics as a table: value with unit, 95 % interval, count, and what null predictors score."""
    columns = ("metric", "value", "95 % interval", "n", "controls")
    return Table(title, columns, [_metric_cells(row) for row in rows])


def run_card(facts: Sequence[Fact], title: str = "Run") -> Table:
    """Return a run's facts as a table."""
    return Table(title, ("fact", "value"), [(fact.label, fact.value) for fact in facts])


def _metric_cells(row: MetricRow) -> tuple[str, ...]:
    nulls = "\n".join(f"{null.name} {number(null.value, 3)}" for null in row.baselines)
    value = f"{measured(row.estimate)}\n{row.estimate.unit}".rstrip()
    return row.name, value, interval(row.estimate), number(row.estimate.n), nulls
