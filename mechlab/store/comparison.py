"""Runs side by side: where their configs differ, and which of their numbers can be told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from mechlab.core.estimate import Estimate
from mechlab.store.manifest import Metric, RunManifest
from mechlab.store.run import Run

Verdict = Literal["distinguishable", "not distinguishable", "some distinguishable", "no interval", "not comparable"]
ABSENT = "-"


@dataclass(frozen=True)
class Difference:
    """A setting on which the runs differ, with each run's value; `-` where a run has no such setting."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class MetricRow:
    """A metric with each run's value (None where it has none), and what the intervals allow to say."""

    name: str
    values: tuple[Metric, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; `notes` say what makes their numbers hard to compare."""

    runs: tuple[Run, ...]
    differences: tuple[Difference, ...]
    metrics: tuple[MetricRow, ...]
    notes: tuple[str, ...]


def compare(runs: Sequence[Run]) -> Comparison:
    """Return the settings on which the runs differ and all their metrics side by side.

    Overlapping 95 % intervals are called not distinguishable. This is cautious: numbers measured on the same rows can
    differ reliably though their intervals overlap; a paired test is needed to say so.
    """
    manifests = [run.manifest for run in runs]
    return Comparison(tuple(runs), _differences(manifests), _metric_rows(manifests), _notes(manifests))


def _differences(manifests: Sequence[RunManifest]) -> tuple[Difference, ...]:
    tables = [_settings(manifest) for manifest in manifests]
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = (Difference(key, tuple(table.get(key, ABSENT) for table in tables)) for key in keys)
    return tuple(row for row in rows if any(value != row.values[0] for value in row.values))


def _settings(manifest: RunManifest) -> dict[str, Any]:
    fields = manifest.model_dump(mode="json", include={"kind", "seed", "parents", "model", "corpus"})
    return _flat(fields) | _flat(manifest.config)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key: value}
    return flat


def _metric_rows(manifests: Sequence[RunManifest]) -> tuple[MetricRow, ...]:
    names = dict.fromkeys(name for manifest in manifests for name in manifest.metrics)
    columns = {name: tuple(manifest.metrics.get(name) for manifest in manifests) for name in names}
    return tuple(MetricRow(name, values, _verdict(values)) for name, values in columns.items())


def _verdict(values: tuple[Metric, ...]) -> Verdict:
    estimates = [value for value in values if isinstance(value, Estimate)]
    if len(estimates) < 2 or len(estimates) < len(values):
        return "no interval"
    if len({estimate.unit for estimate in estimates}) > 1:
        return "not comparable"
    apart = [first.high < second.low or second.high < first.low for first, second in combinations(estimates, 2)]
    if all(apart):
        return "distinguishable"
    return "some distinguishable" if any(apart) else "not distinguishable"


def _notes(manifests: Sequence[RunManifest]) -> tuple[str, ...]:
    kinds = {manifest.kind for manifest in manifests}
    models = {manifest.model and manifest.model.fingerprint for manifest in manifests}
    corpora = {manifest.corpus and manifest.corpus.fingerprint for manifest in manifests}
    notes = {
        "The runs are of different kinds.": kinds,
        "The runs looked at different models.": models,
        "The runs read different corpora.": corpora,
    }
    return tuple(note for note, values in notes.items() if len(values) > 1)
