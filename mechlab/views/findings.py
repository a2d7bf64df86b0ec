"""What metrics found, as values a page or a notebook draws: metric rows, known causes, feature cards."""

from collections.abc import Mapping, Sequence

from mechlab.core.estimate import Estimate
from mechlab.metrics.contexts import Context as SeenContext
from mechlab.metrics.ground_truth import GroundTruth, Recovered
from mechlab.metrics.norm_shares import NormShares
from mechlab.metrics.portraits import FeaturePortrait
from mechlab.views.report_data import (
    Baseline,
    CauseBaseline,
    CauseRow,
    Context,
    FeatureCard,
    Histogram,
    MetricRow,
    SiteNorms,
)

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
    "ce_loss": "loss per token of the model with its codebooks",
    "ce_loss_ratio": "that loss as a multiple of the unmodified model's",
    "ce_loss_ratio_finetuned": "the same of the model trained as long without codebooks: what codes alone cost",
    "mean_f1.dictionary": "best feature per known cause, F1 on tokens it was not chosen on, averaged over causes",
    "mean_auc.dictionary": "the same by area under the ROC curve",
}
CONTROLS = ("random_dictionary", "neurons", "shuffled_labels")


def metric_rows(metrics: Mapping[str, Estimate | int | float | None]) -> tuple[MetricRow, ...]:
    """Return the metrics that have a meaning to show, each beside what its controls score.

    Of several sites each has a row `NAME.SITE` below that of all. Controls of `NAME` stand under `untrained.NAME`,
    `unmodified.NAME` and `finetuned.NAME`, those of `STEM.dictionary` under `STEM.random_dictionary` ...
    """
    parts = {name: [of for of in metrics if of.startswith(f"{name}.")] for name in MEANINGS}
    meanings = {
        one: meaning if one == name else f"the same at {one.removeprefix(f'{name}.')} alone"
        for name, meaning in MEANINGS.items()
        for one in (name, *parts[name])
    }
    found = [(name, meaning, metrics.get(name)) for name, meaning in meanings.items()]
    return tuple(
        MetricRow(name=name, estimate=estimate, meaning=meaning, baselines=_baselines(name, metrics))
        for name, meaning, estimate in found
        if isinstance(estimate, Estimate)
    )


def cause_rows(found: GroundTruth | None) -> tuple[CauseRow, ...]:
    """Return one row per known cause, the best recovered first; none where nothing is known."""
    by_class: dict[str, dict[str, Recovered]] = {}
    for line in found.recovered if found is not None else ():
        by_class.setdefault(line.class_name, {})[line.contender] = line
    rows = [_cause(name, lines) for name, lines in by_class.items()]
    return tuple(sorted((row for row in rows if row is not None), key=lambda row: -row.f1.value))


def site_norms(found: Sequence[NormShares]) -> tuple[SiteNorms, ...]:
    """Return the relative norms at each site as a page draws them."""
    return tuple(SiteNorms(site=one.site, counts=one.counts, of_untrained=one.of_untrained) for one in found)


def feature_card(portrait: FeaturePortrait) -> FeatureCard:
    """Return the card of a portrait."""
    label = portrait.label
    f1 = label.f1 if label is not None else None
    return FeatureCard(
        id=portrait.feature,
        density=portrait.density.value if portrait.density is not None else 0.0,
        max_activation=portrait.max_activation,
        label=label.name if label is not None else "",
        histogram=Histogram(edges=portrait.edges, counts=portrait.counts) if portrait.counts else None,
        contexts=tuple(_context(context) for context in portrait.top),
        positive_logits=portrait.promoted,
        negative_logits=portrait.suppressed,
        note="" if f1 is None else f"Best match of the known causes: F1 {f1} on rows it was not chosen on.",
    )


def _baselines(name: str, metrics: Mapping[str, Estimate | int | float | None]) -> tuple[Baseline, ...]:
    stem = name.removesuffix(".dictionary")
    controls = {f"{stem}.{control}": control.replace("_", " ") for control in CONTROLS}
    controls |= {f"{control}.{name}": control for control in ("untrained", "unmodified", "finetuned")}
    found = [(label, metrics.get(key)) for key, label in controls.items()]
    return tuple(Baseline(name=label, value=one.value) for label, one in found if isinstance(one, Estimate))


def _cause(name: str, lines: Mapping[str, Recovered]) -> CauseRow | None:
    own = lines["dictionary"]
    if own.f1 is None or own.auc is None:
        return None
    baselines = tuple(
        CauseBaseline(name=contender, f1=line.f1.value, auc=line.auc.value)
        for contender, line in lines.items()
        if contender != "dictionary" and line.f1 is not None and line.auc is not None
    )
    return CauseRow(cause=name, feature=own.choice.by_f1.feature, f1=own.f1, auc=own.auc, baselines=baselines)


def _context(context: SeenContext) -> Context:
    return Context(tokens=context.tokens, activations=context.activations, focus=context.focus)
