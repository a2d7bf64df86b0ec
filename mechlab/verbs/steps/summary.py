"""The numbers of a run in short: one object for programs, one table for people."""

from typing import Any

from mechlab.core.estimate import Estimate
from mechlab.store.manifest import Metric
from mechlab.store.run import Run
from mechlab.views.report_data import Baseline, MetricRow
from mechlab.views.table import Table, metric_table

MEANINGS = {
    "l0": "features active per token",
    "explained_variance": "share of the activations' variance kept; predicting their mean scores 0",
    "ce_loss_recovered": "share of the loss kept when the reconstruction stands in; zeros score 0, the original 1",
    "ce_loss_recovered_mean": "the same against the mean activation instead of zeros",
    "delta_ce_nats": "loss the model gains when the reconstruction stands in",
    "kl_nats": "divergence of its next-token predictions from the original ones",
    "cosine": "angle between activation and reconstruction",
    "mse": "squared error per token",
    "norm_ratio": "norm of the reconstruction over that of the activation",
    "density": "mean share of tokens a feature fires on",
    "dead_share": "features that never fired on the tokens judged",
    "mean_f1.dictionary": "best feature per known cause, F1 on tokens it was not chosen on, averaged over causes",
    "mean_auc.dictionary": "the same by area under the ROC curve",
}
CONTROLS = ("random_dictionary", "neurons", "shuffled_labels")


def metric_rows(metrics: dict[str, Metric]) -> tuple[MetricRow, ...]:
    """Return the metrics that have a meaning to show, each beside what its controls score."""
    rows = []
    for name, meaning in MEANINGS.items():
        estimate = metrics.get(name)
        if isinstance(estimate, Estimate):
            rows.append(MetricRow(name=name, estimate=estimate, meaning=meaning, baselines=_baselines(name, metrics)))
    return tuple(rows)


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
    return data, metric_table(metric_rows(metrics), title=f"{run.manifest.kind} {run.id}")


def _baselines(name: str, metrics: dict[str, Metric]) -> tuple[Baseline, ...]:
    stem = name.removesuffix(".dictionary")
    controls = {f"{stem}.{control}": control.replace("_", " ") for control in CONTROLS}
    controls |= {f"untrained.{name}": "untrained"}
    found = [(label, metrics.get(key)) for key, label in controls.items()]
    return tuple(Baseline(name=label, value=one.value) for label, one in found if isinstance(one, Estimate))
