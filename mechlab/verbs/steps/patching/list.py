"""A patched task in the terminal: the parts that are worth most, and how faithful circuits of them are."""

from typing import Any

from mechlab.store.disk import read_json
from mechlab.store.run import Run
from mechlab.store.table import read_table
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.patch_options import PatchOptions
from mechlab.verbs.steps.patching.run import CURVES_NAME, SCORES_NAME, UNITS
from mechlab.verbs.steps.summary import run_summary
from mechlab.views.numbers import fixed, share
from mechlab.views.table import Table


def patch_outcome(config: PatchOptions, run: Run) -> Outcome:
    """Return what the command prints of a run: its largest scores, its curve beside random ones, and where it is."""
    columns = read_table(run.file(SCORES_NAME))
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*map(_listed, columns.values()), strict=True)]
    first = sorted(rows, key=lambda row: -abs(row["score"]))[: config.top]
    data, summary = run_summary(run)
    tables = [summary, _scores(config, run, first, len(rows))]
    found: dict[str, Any] = {"parts": first}
    if CURVES_NAME in run.manifest.files:
        curves = read_json(run.file(CURVES_NAME), "curves of faithfulness")
        found["faithfulness"] = curves
        tables.append(_curves(curves))
    return Outcome({**data, **found}, tuple(tables), (f"run: {run.folder}",))


def _scores(config: PatchOptions, run: Run, first: list[dict[str, Any]], n: int) -> Table:
    unit = UNITS[config.outcome]
    shown = [
        (row["name"], fixed(row["score"], 3), f"[{fixed(row['low'], 3)}, {fixed(row['high'], 3)}]") for row in first
    ]
    said = f"{len(first)} of {n:,} listed, by size. A positive score supports the right answer."
    columns = ("part", f"score, {unit}" if unit else "score", "95 % interval")
    return Table(f"{config.method} {run.id}", columns, shown, note=said)


def _curves(curves: dict[str, Any]) -> Table:
    drawn = list(zip(*curves["random"], strict=True))
    rows = [
        (share(part), f"{size:,}", fixed(f, 3), fixed(sum(others) / len(others), 3), fixed(max(others), 3))
        for part, size, f, others in zip(curves["shares"], curves["sizes"], curves["f"], drawn, strict=True)
    ]
    columns = ("share", curves["of"], "faithfulness", "random, mean", "random, largest")
    return Table("circuits on the other prompts", columns, rows, note="0: all corrupted. 1: the whole model.")


def _listed(column: Any) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()
