"""`mechlab runs`: list the runs in a folder, show one, verify their bytes, compare their numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mechlab.core.config import Config as BaseConfig
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Positional, Verb
from mechlab.views.table import Table

if TYPE_CHECKING:
    from mechlab.store.catalog import Entry
    from mechlab.store.comparison import Comparison
    from mechlab.store.run import Run

Action = Annotated[Literal["list", "show", "verify", "compare"], Positional()]
HEADLINE = {"l0": "L0", "explained_variance": "EV", "ce_loss_recovered": "CE"}
LEGEND = "L0 features per token, EV explained variance, CE share of the loss recovered; 95 % intervals."


class Config(BaseConfig):
    """What to do, with which runs."""

    action: Action = Field("list", description="list, show, verify or compare.")
    runs: Annotated[tuple[str, ...], Positional()] = Field((), description="Folders of runs, or first digits of ids.")
    root: Path = Field(Path("runs"), description="Folder whose runs are listed, and in which ids are looked up.")


def run(config: Config, progress: Progress) -> Outcome:
    """List the runs in a folder, show one with its lineage, verify every byte, or compare runs side by side."""
    actions: dict[str, Callable[[Config, Progress], Outcome]] = {
        "list": _list,
        "show": _show,
        "verify": _verify,
        "compare": _compare,
    }
    return actions[config.action](config, progress)


VERB = Verb(Config, run)


def _list(config: Config, progress: Progress) -> Outcome:
    from mechlab.store.catalog import list_runs

    roots = [Path(text) for text in config.runs] or [config.root]
    entries = [entry for root in roots for entry in list_runs(root)]
    rows = [_row(entry) for entry in entries]
    table = Table(f"Runs in {', '.join(map(str, roots))}", ("run", *HEADLINE.values()), rows, LEGEND)
    lines = tuple(entry.problem for entry in entries if entry.problem)
    return Outcome({"runs": [_entry_data(entry) for entry in entries]}, (table,), lines)


def _show(config: Config, progress: Progress) -> Outcome:
    found = _found(config, at_least=1)
    data = [{"run": str(one.folder), **one.manifest.model_dump(mode="json")} for one in found]
    tables = tuple(table for one in found for table in (_facts(one), _metrics(one)))
    return Outcome({"runs": data}, tables)


def _verify(config: Config, progress: Progress) -> Outcome:
    results = {name: _problems(name, config.root) for name in config.runs or _everything(config.root)}
    rows = [(name, problem) for name, problems in results.items() for problem in problems]
    verdicts = tuple(f"{name}: {'whole' if not problems else 'NOT whole'}" for name, problems in results.items())
    tables = (Table("Problems", ("run", "problem"), rows),) if rows else ()
    data = {"runs": [{"run": name, "whole": not problems, "problems": problems} for name, problems in results.items()]}
    return Outcome(data, tables, verdicts, exit_code=1 if rows else 0)


def _compare(config: Config, progress: Progress) -> Outcome:
    from mechlab.store.comparison import compare

    comparison = compare(_found(config, at_least=2))
    short = [one.folder.name for one in comparison.runs]
    names = short if len(set(short)) == len(short) else [str(one.folder) for one in comparison.runs]
    settings = [(row.key, *map(str, row.values)) for row in comparison.differences]
    metrics = [(row.name, *map(_shown, row.values), row.verdict) for row in comparison.metrics]
    tables = (
        Table("Settings that differ", ("setting", *names), settings),
        Table("Metrics with 95 % intervals", ("metric", *names, "verdict"), metrics),
    )
    return Outcome(_comparison_data(comparison), tables, comparison.notes)


def _found(config: Config, at_least: int) -> "list[Run]":
    from mechlab.store.catalog import find_run

    if len(config.runs) < at_least:
        what = f"`runs {config.action}` needs at least {at_least} run{'s' if at_least > 1 else ''}"
        raise UsageError(what, value=" ".join(config.runs), remedy="Give folders of runs, or ids.")
    return [find_run(text, config.root) for text in config.runs]


def _everything(root: Path) -> list[str]:
    from mechlab.store.catalog import list_runs

    return [str(entry.folder) for entry in list_runs(root) if entry.state != "unfinished"]


def _problems(text: str, root: Path) -> list[str]:
    from mechlab.core.errors import ArtifactError
    from mechlab.store.catalog import find_run

    try:
        return [str(problem) for problem in find_run(text, root).verify()]
    except ArtifactError as error:
        return [str(error)]


def _row(entry: "Entry") -> tuple[str, ...]:
    manifest = entry.manifest
    if manifest is None:
        return (f"{entry.folder}\n{entry.state}", *("" for _ in HEADLINE))
    made = manifest.provenance.ended or f"{entry.state} since {manifest.provenance.started}"
    numbers = (_shown(manifest.metrics.get(name), "\n") for name in HEADLINE)
    return (f"{entry.folder}\n{manifest.id}, {manifest.kind}, {made}", *numbers)


def _entry_data(entry: "Entry") -> dict[str, Any]:
    data = {"run": str(entry.folder), "state": entry.state, "problem": entry.problem or None}
    if entry.manifest is None:
        return data
    fields = entry.manifest.model_dump(mode="json", include={"id", "kind", "seed", "parents", "metrics"})
    return {**data, **fields, "started": entry.manifest.provenance.started}


def _facts(one: "Run") -> Table:
    manifest, provenance = one.manifest, one.manifest.provenance
    facts = {
        "id": manifest.id,
        "kind": manifest.kind,
        "seed": str(manifest.seed),
        "parents": ", ".join(manifest.parents) or "none",
        "model": manifest.model and f"{manifest.model.name} ({manifest.model.fingerprint[:16]})",
        "corpus": manifest.corpus and f"{manifest.corpus.name} ({manifest.corpus.fingerprint[:16]})",
        "started": provenance.started,
        "work": f"{provenance.wall_s} s",
        "revision": provenance.git_revision,
        "files": f"{len(manifest.files)}, {sum(record.bytes for record in manifest.files.values()):,} bytes",
    }
    settings = {f"config.{key}": str(value) for key, value in manifest.config.items()}
    rows = [(name, text) for name, text in {**facts, **settings}.items() if text]
    return Table(str(one.folder), ("fact", "value"), rows)


def _metrics(one: "Run") -> Table:
    rows = [(name, _shown(value)) for name, value in one.manifest.metrics.items()]
    return Table("Metrics with 95 % intervals", ("metric", "value"), rows)


def _shown(value: Estimate | float | None, gap: str = " ") -> str:
    from mechlab.views.numbers import interval, measured, number

    if isinstance(value, Estimate):
        return f"{measured(value)} {value.unit}".rstrip() + gap + interval(value)
    return "" if value is None else number(value)


def _comparison_data(comparison: "Comparison") -> dict[str, Any]:
    return {
        "runs": [{"run": str(one.folder), "id": one.id} for one in comparison.runs],
        "differences": {row.key: list(row.values) for row in comparison.differences},
        "metrics": {
            row.name: {"values": [_plain(value) for value in row.values], "verdict": row.verdict}
            for row in comparison.metrics
        },
        "notes": list(comparison.notes),
    }


def _plain(value: Estimate | float | None) -> Any:
    return value.model_dump() if isinstance(value, Estimate) else value
