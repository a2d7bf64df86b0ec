"""A comparison of steered texts in the terminal: texts before and after, and what every way did."""

from typing import Any

from mechlab.store.disk import read_json
from mechlab.store.run import REPORT_NAME, STEERED_NAME, Run
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.steering.run import DOSES_NAME
from mechlab.verbs.steps.steering.stream import printable
from mechlab.verbs.steps.summary import run_summary
from mechlab.views.numbers import fixed, number
from mechlab.views.table import Table


def steer_outcome(run: Run) -> Outcome:
    """Return what the command prints of a run."""
    found, tables = steered_texts(run)
    data, _ = run_summary(run)
    page = run.folder / REPORT_NAME
    return Outcome({**data, "report": str(page), **found}, tables, (f"run:  {run.folder}", f"open: {page}"))


def steered_texts(run: Run) -> tuple[dict[str, Any], tuple[Table, ...]]:
    """Return a run's texts and, where they were measured, its ways: for programs all, as tables in short.

    Raises:
        ArtifactError: the run has no texts, or it was changed.
    """
    samples = read_json(run.file(STEERED_NAME), "steered texts")["samples"]
    rows = [
        (name, printable(one["prompt"] + one[key]))
        for one in samples
        for name, key in (("as it is", "before"), ("steered", "after"), ("random direction", "control"))
        if one[key]
    ]
    tables, found = [Table(f"steer {run.id}", ("", "text"), rows)], {"samples": samples}
    if DOSES_NAME in run.manifest.files:
        ways = read_json(run.file(DOSES_NAME), "doses")["ways"]
        found["ways"] = ways
        tables.append(_ways(ways))
    return found, tuple(tables)


def _ways(ways: list[dict[str, Any]]) -> Table:
    own = ways[0]["own"]
    rows = [("the model as it is", "–", *_cells(own)), *(_row(one) for one in ways)]
    columns = ("way", "strength", "concept", "95 % interval", "token costs more", "repeats")
    return Table("on fresh texts", columns, rows, note="Strengths are multiples of the one asked for.")


def _row(way: dict[str, Any]) -> tuple[str, ...]:
    return (way["way"], number(way["taken"], 3) if way["taken"] else "none", *_cells(way["fresh"]))


def _cells(dose: dict[str, Any]) -> tuple[str, ...]:
    concept, costs, repeats = dose["text"]["concept"], dose["nll_increase"], dose["text"]["repetition"]
    return (
        fixed(concept["value"], 3),
        f"[{fixed(concept['low'], 3)}, {fixed(concept['high'], 3)}]",
        "–" if costs is None else f"{fixed(100 * costs['value'], 1)} %",
        "–" if repeats is None else fixed(repeats["value"], 3),
    )
