"""An observable in the terminal: its heads, the tokens they read, what they do in prompts, and the best paths."""

from typing import Any

from mechlab.core.estimate import Estimate
from mechlab.store.disk import read_json
from mechlab.store.run import HEADS_NAME, Run
from mechlab.store.table import read_table
from mechlab.verbs.observe_options import ObserveOptions
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.observables.run import PATHS_NAME, READS_NAME
from mechlab.verbs.steps.summary import run_summary
from mechlab.views.numbers import fixed, interval, measured, number
from mechlab.views.table import Table

N_LISTED_TOKENS = 8
RULES = {"cheap": "norms' gains kept, their divisors left out", "skip": "norms skipped"}
EFFECTS = {
    "real": "straight through the last norm",
    "frozen": "straight, the last norm's divisor held",
    "recomputed": "later layers computed again",
}
MEASURES = {
    "observable_clean": "observable after clean prompts, nats",
    "observable_corrupted": "observable after corrupted prompts, nats",
    "spearman": "lengths rank heads by mean size, Spearman",
    "random_spearman": "lengths for random observables",
}


def observe_outcome(config: ObserveOptions, run: Run) -> Outcome:
    """Return what the command prints of a run: its longest heads, their tokens, the best paths, and where it is."""
    found, tables = first_heads(run, config.top, config.readers)
    data, _ = run_summary(run)
    return Outcome({**data, **found}, tables, (f"run: {run.folder}",))


def first_heads(run: Run, n: int, n_readers: int) -> tuple[dict[str, Any], tuple[Table, ...]]:
    """Return a run's n longest heads, what the first few read, and n paths: for programs, and as tables.

    Raises:
        ArtifactError: a table was changed.
    """
    heads = _rows(run, HEADS_NAME)
    longest = sorted(heads, key=lambda row: -row["length"])[:n]
    reads = _reads(run, longest[:n_readers])
    data: dict[str, Any] = {"observable": run.manifest.config["observable"], "heads": longest, "reads": reads}
    tables = [_heads_table(run, longest, len(heads)), *([_reads_table(reads)] if reads else [])]
    if PATHS_NAME in run.manifest.files:
        stored = read_json(run.file(PATHS_NAME), "paths")
        data["paths"] = stored["paths"][:n]
        tables += [_measures_table(run), _paths_table(stored, n)]
    return data, tuple(tables)


def _rows(run: Run, name: str) -> list[dict[str, Any]]:
    columns = read_table(run.file(name))
    lists = (column if isinstance(column, list) else column.tolist() for column in columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _reads(run: Run, heads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tokens of some heads; a head's first half is what it reads most, the other what it reads least."""
    rows, found = _rows(run, READS_NAME), list[dict[str, Any]]()
    for head in heads:
        own = [row for row in rows if (row["layer"], row["head"]) == (head["layer"], head["head"])]
        told = [{name: row[name] for name in ("token", "text", "score")} for row in own]
        half = len(told) // 2
        found.append({"head": f"{head['layer']}.{head['head']}", "most": told[:half], "least": told[half:]})
    return found


def _heads_table(run: Run, heads: list[dict[str, Any]], n_heads: int) -> Table:
    config = run.manifest.config
    columns, rows = ["head", "length"], [[f"{row['layer']}.{row['head']}", number(row["length"])] for row in heads]
    note = f"Of {config['observable']}: how far weights let a head move it ({RULES[config['norms']]})."
    note += f" {len(heads)} of {n_heads:,} heads listed."
    if "effect" in config:
        columns += ["effect, nats", "95 % interval", "mean size"]
        for row, cells in zip(heads, rows, strict=True):
            bounds = f"[{fixed(row['low'], 3)}, {fixed(row['high'], 3)}]"
            cells += [fixed(row["effect"], 3), bounds, fixed(row["size"], 3)]
        n_prompts = run.manifest.metrics["n_prompts"]
        how = EFFECTS[config["effect"]]
        note += f" Effect: of its values in {n_prompts} prompts of {config['task']}, clean less corrupted, {how}."
    return Table(f"observe {run.id}", columns, rows, note=note)


def _reads_table(reads: list[dict[str, Any]]) -> Table:
    sides = [
        [", ".join(one["text"].strip() for one in head[side][:N_LISTED_TOKENS]) for head in reads]
        for side in ("most", "least")
    ]
    rows = [(head["head"], most, least) for head, most, least in zip(reads, *sides, strict=True)]
    note = "By their embeddings alone, through the head's own norm: what looking at a token would bring."
    return Table("tokens that heads read it from", ("head", "most", "least"), rows, note=note)


def _texts(tokens: list[dict[str, Any]]) -> str:
    return ", ".join(one["text"].strip() for one in tokens[:N_LISTED_TOKENS])


def _measures_table(run: Run) -> Table:
    metrics = run.manifest.metrics
    known = [(said, metrics.get(name)) for name, said in MEASURES.items()]
    rows = [
        (said, measured(one), interval(one), number(one.n)) if isinstance(one, Estimate) else (said, "–", "", "")
        for said, one in known
    ]
    p = metrics.get("random_p")
    note = "Prompts are redrawn; of random observables 95 % lie in theirs."
    if isinstance(p, float):
        note += f" So well or better ranks a share of {number(p, 2)} of them, this one counted."
    return Table("lengths beside effects", ("measure", "value", "95 % interval", "n"), rows, note=note)


def _paths_table(stored: dict[str, Any], n: int) -> Table:
    rows = [(one["path"], fixed(one["effect"], 3)) for one in stored["paths"][:n]]
    places = ", ".join(f"{role} at {place}" for role, place in stored["positions"].items())
    note = (
        f"Means over {stored['n_prompts']} prompts alike: {places}. Clean less corrupted; heads look where they looked."
    )
    return Table("paths that bring most", ("path", "effect, nats"), rows, note=note)
