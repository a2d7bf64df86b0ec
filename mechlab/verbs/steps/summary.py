"""The numbers of a run in short: one object for programs, one table for people."""

from typing import Any

from mechlab.core.estimate import Estimate
from mechlab.store.run import Run
from mechlab.views.findings import metric_rows
from mechlab.views.numbers import number
from mechlab.views.table import Table, metric_table


def run_summary(run: Run) -> tuple[dict[str, Any], Table]:
    """Return what `--json` prints of a run, and its table."""
    metrics = run.manifest.metrics
    values = {name: value.value if isinstance(value, Estimate) else value for name, value in metrics.items()}
    data = {
        "run": str(run.folder),
        "id": run.id,
        "kind": run.manifest.kind,
        **{name: value for name, value in values.items() if "." not in name},
        "estimates": {
            name: value.model_dump() if isinstance(value, Estimate) else value for name, value in metrics.items()
        },
    }
    title, rows = f"{run.manifest.kind} {run.id}", metric_rows(metrics)
    return data, metric_table(rows, title) if rows else _plain_table(title, values)


def _plain_table(title: str, values: dict[str, Any]) -> Table:
    """Return the table of a run whose numbers are counts and the like, without intervals."""
    rows = [(name, "–" if value is None else number(value)) for name, value in values.items()]
    return Table(title, ("metric", "value"), rows)
