"""What a run of features tells in short: its numbers, the features asked for, and their objects for viewers."""

import json
from pathlib import Path

import torch
from torch import Tensor

from mechlab.circuits.attribution.exchange_json import paired
from mechlab.core.errors import UsageError
from mechlab.metrics.bootstrap import mean_estimate
from mechlab.metrics.feature_table import FeatureTable
from mechlab.store.disk import write_bytes
from mechlab.store.manifest import Metric
from mechlab.store.run import REPORT_NAME, Run
from mechlab.verbs.feature_options import FeatureOptions
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.features.stored import stored_features, stored_objects
from mechlab.verbs.steps.summary import run_summary
from mechlab.views.numbers import fixed, number, share
from mechlab.views.table import Table
from mechlab.views.tokens import alone

REMOVALS = ("loss", "control_loss", "divergence", "control_divergence")
N_TOKENS = 5


def feature_metrics(table: FeatureTable, seed: int) -> dict[str, Metric]:
    """Return what a run notes: how many features there are and fire, and means over those that fire, with intervals."""
    fires = table.columns["fires"] > 0
    found: dict[str, Metric] = {
        "n_features": len(table),
        "n_dead": int((~fires).sum()),
        "n_tokens": table.facts.n_tokens,
    }
    for name in REMOVALS:
        if f"removal_{name}" in table.columns:
            found[f"removal_{name}"] = _mean(table.columns[f"removal_{name}"].nanmean(1)[fires], seed, "nats")
    if "cause_f1" in table.columns:
        found["f1_of_best_cause"] = _mean(table.columns["cause_f1"][fires], seed, "")
        found["f1_of_best_cause_by_chance"] = _mean(table.columns["cause_by_chance"][fires], seed, "")
    return found


def features_shown(options: FeatureOptions, run: Run) -> Outcome:
    """Return the run's numbers, and the features asked for as objects and as a table.

    Raises:
        UsageError: there is no such feature, or the folder for objects cannot be written to.
    """
    data, summary = run_summary(run)
    data |= {"report": str(run.file(REPORT_NAME))}
    lines = [f"run:  {run.folder}", f"open: {run.folder / REPORT_NAME}"]
    tables = [summary]
    if options.features:
        data["features"] = stored_objects(run, options.features)
        tables.append(_table(stored_features(run), options.features))
    if options.objects is not None:
        n = _write_objects(run, options)
        data["objects"] = str(options.objects)
        lines.append(f"objects of {n:,} features: {options.objects}")
    return Outcome(data, tuple(tables), tuple(lines))


def _write_objects(run: Run, options: FeatureOptions) -> int:
    """Write one file for each feature, named as viewers look for it; return how many."""
    folder = options.objects or Path()
    site = str(run.manifest.config["site"])
    layers = {part.rpartition(".")[2] for part in site.split(",")}
    if len(layers) != 1 or not (layer := layers.pop()).isdigit():
        raise UsageError("viewers name features by one layer", value=site, remedy="This dictionary reads several.")
    features = options.features or range(len(stored_features(run)))
    for one in stored_objects(run, features):
        text = json.dumps(one, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        write_bytes(folder / f"{paired(int(layer), one['index'])}.json", text.encode())
    return len(features)


def _table(table: FeatureTable, features: tuple[int, ...]) -> Table:
    rows = [
        (
            str(feature),
            share(float(table.frequency[feature])),
            number(float(table.columns["largest"][feature]), 3),
            _cause(table, feature),
            " ".join(dict.fromkeys(alone(one.tokens[one.focus]) for one in table.top(feature))) or "never fires",
            " ".join(alone(text) for text, _ in table.logits(feature, "top")[:N_TOKENS]),
        )
        for feature in features
    ]
    return Table(
        "Features", ("feature", "fires on", "at most", "best cause (F1, by chance)", "strongest", "raises"), rows
    )


def _cause(table: FeatureTable, feature: int) -> str:
    if "cause" not in table.columns or (cause := int(table.columns["cause"][feature])) < 0:
        return "–"
    f1, chance = (float(table.columns[name][feature]) for name in ("cause_f1", "cause_by_chance"))
    return f"{table.facts.causes[cause]} ({fixed(f1, 2)}, {fixed(chance, 2)})"


def _mean(values: Tensor, seed: int, unit: str) -> Metric:
    known = values[~values.isnan()].double()
    return mean_estimate(known, unit=unit, seed=seed) if len(known) > 1 and torch.isfinite(known).all() else None
