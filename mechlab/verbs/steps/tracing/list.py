"""A traced prompt in the terminal: what acts most on the targets, read back from the run's tables."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mechlab.circuits.attribution.whole_graph import NOWHERE, WholeGraph
from mechlab.store.disk import read_json
from mechlab.store.run import GRAPH_EDGES_NAME, GRAPH_NAME, GRAPH_NODES_NAME, REPORT_NAME, Run
from mechlab.store.table import read_table
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.summary import run_summary
from mechlab.verbs.trace_options import TraceOptions
from mechlab.views.numbers import fixed, share
from mechlab.views.table import Table

N_TARGETS = 3


def trace_outcome(config: TraceOptions, run: Run) -> Outcome:
    """Return what the command prints of a run: what acts most on its targets, and where the graph and its page are."""
    found, tables = first_effects(run, config.top)
    data, summary = run_summary(run)
    page, graph = run.folder / REPORT_NAME, run.folder / GRAPH_NAME
    lines = (f"run:   {run.folder}", f"graph: {graph}", f"open:  {page}")
    return Outcome({**data, "report": str(page), "graph": str(graph), **found}, (summary, *tables), lines)


def first_effects(run: Run, n: int) -> tuple[dict[str, Any], tuple[Table, ...]]:
    """Return the n strongest effects on each of a run's targets: for programs all, as tables those of the first few.

    Raises:
        ArtifactError: the run has no graph, or it was changed.
    """
    whole, words = stored_graph(run), prompt_words(run)
    targets = whole.places("target")
    places = dict(zip(whole.texts["name"], whole.numbers["position"].tolist(), strict=True))
    at = {name: None if place == NOWHERE else words[place] for name, place in places.items()}
    listed = [_target(whole, place, n, at) for place in targets]
    tables = tuple(_table(run, one, len(targets)) for one in listed[:N_TARGETS])
    return {"targets": listed}, tables


def stored_graph(run: Run) -> WholeGraph:
    """Return a run's whole graph.

    Raises:
        ArtifactError: the run has none, or it was changed.
    """
    return WholeGraph.restored(*(read_table(run.file(name)) for name in (GRAPH_NODES_NAME, GRAPH_EDGES_NAME)))


def prompt_words(run: Run) -> list[str]:
    """Return how each token of the traced prompt reads.

    Raises:
        ArtifactError: the run has no graph, or it was changed.
    """
    return read_json(run.file(GRAPH_NAME), "graph")["metadata"]["prompt_tokens"]


def _target(whole: WholeGraph, place: int, n: int, at: Mapping[str, str | None]) -> dict[str, Any]:
    value, bias, weight = (float(whole.numbers[name][place]) for name in ("value", "bias", "influence"))
    effects = [{**asdict(edge), "token": at[edge.source]} for edge in whole.into(place, n)]
    return {"name": whole.texts["name"][place], "value": value, "bias": bias, "weight": weight, "effects": effects}


def _table(run: Run, target: dict[str, Any], n_targets: int) -> Table:
    rows = [(one["source"], one["token"] or "", fixed(one["effect"], 3)) for one in target["effects"]]
    of_all = "" if n_targets == 1 else f" Its weight among the {n_targets} targets is {share(target['weight'])}."
    note = f"It was {fixed(target['value'], 3)}; biases add {fixed(target['bias'], 3)}, all effects the rest.{of_all}"
    return Table(f"{target['name']} ({run.id})", ("source", "token", "effect"), rows, note=note)
