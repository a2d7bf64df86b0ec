"""Fill a run's report: from a judgement and a training log to the values its page shows."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.metrics.contexts import Context as SeenContext
from mechlab.metrics.ground_truth import GroundTruth
from mechlab.metrics.portraits import FeaturePortrait
from mechlab.verbs.steps.judging import Judgement
from mechlab.verbs.steps.opening import Subject
from mechlab.verbs.steps.summary import metric_rows
from mechlab.views.numbers import measured
from mechlab.views.report import render_report
from mechlab.views.report_data import (
    CauseBaseline,
    CauseRow,
    Command,
    Context,
    Curve,
    Fact,
    FeatureCard,
    Histogram,
    ReportData,
    SteeringRow,
)

HEADLINE = ("explained_variance", "ce_loss_recovered", "l0", "mean_f1.dictionary")
CURVES = {
    "loss": ("", "what training minimises, on the training batch"),
    "explained_variance": ("", "on the training batch"),
    "l0": ("features", "active per token on the training batch"),
    "dead_share": ("", "features that have not fired for the window"),
    "lr": ("", "learning rate"),
}
DENSITY_BINS = 40


@dataclass(frozen=True)
class RunCard:
    """What a page says of the run itself: id, kind, the folder as the user calls it, and facts by label."""

    id: str
    kind: str
    folder: str
    facts: dict[str, str]


def report_page(
    card: RunCard,
    subject: Subject,
    judgement: Judgement,
    log: list[dict[str, Any]],
    steering: tuple[SteeringRow, ...] = (),
) -> str:
    """Return the page of a run; `log` is empty where nothing was trained."""
    rows = metric_rows(judgement.metrics)
    known = {row.name for row in rows}
    density = judgement.evaluation.per_feature["density"]
    data = ReportData(
        title=f"{card.kind}, {subject.site} of {Path(subject.config.model).name}",
        run_id=card.id,
        summary=_summary(subject, judgement),
        n_tokens=judgement.evaluation.n_tokens,
        headline=tuple(name for name in HEADLINE if name in known),
        facts=tuple(Fact(label=label, value=value) for label, value in card.facts.items()),
        notes=_notes(judgement),
        metrics=rows,
        curves=_curves(log),
        density=_density(density),
        n_dead=int((density == 0).sum()),
        ground_truth=_causes(judgement.ground_truth),
        features=tuple(_card(portrait) for portrait in judgement.portraits),
        steering=steering,
        commands=_commands(card.folder),
        citation=f"mechlab run {card.id}, {card.kind}, seed {subject.config.seed}",
    )
    return render_report(data)


def _summary(subject: Subject, judgement: Judgement) -> str:
    source = subject.corpus_record.name
    return (
        f"A dictionary at {subject.site} of {subject.config.model}, judged on {judgement.evaluation.n_tokens:,} "
        f"held-out tokens of {source} in {judgement.evaluation.n_rows:,} rows."
    )


def _notes(judgement: Judgement) -> tuple[str, ...]:
    n_rows = judgement.evaluation.n_rows
    notes = [f"Intervals are 95 % bootstrap intervals over {n_rows:,} rows of text; this is one training seed."]
    found = judgement.ground_truth
    if found is not None and found.left_out:
        notes.append(f"Causes too rare to score here: {', '.join(found.left_out)}.")
    ahead = found.f1_ahead.get("neurons") if found is not None else None
    if ahead is not None:
        verdict = "more" if ahead.low > 0 else "less" if ahead.high < 0 else "no more"
        notes.append(
            f"Single features recover known causes {verdict} than single neurons: mean F1 differs by "
            f"{measured(ahead)} [{ahead.low:.3f}, {ahead.high:.3f}]."
        )
    return tuple(notes)


def _curves(log: list[dict[str, Any]]) -> tuple[Curve, ...]:
    curves = []
    for name, (unit, meaning) in CURVES.items():
        points = [(line["step"], line[name]) for line in log if line.get(name) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            curves.append(Curve(name=name, steps=steps, values=values, unit=unit, meaning=meaning))
    return tuple(curves)


def _density(density: Float64[Tensor, "d_sae"]) -> Histogram | None:
    """Return the histogram of log10 density over the features that fired."""
    live = density[density > 0].log10()
    if not len(live):
        return None
    low = min(-1.0, float(math.floor(live.min())))
    counts = torch.histc(live, DENSITY_BINS, low, 0.0)
    edges = torch.linspace(low, 0.0, DENSITY_BINS + 1)
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(int(count) for count in counts))


def _causes(found: GroundTruth | None) -> tuple[CauseRow, ...]:
    if found is None:
        return ()
    by_class: dict[str, dict[str, Any]] = {}
    for line in found.recovered:
        by_class.setdefault(line.class_name, {})[line.contender] = line
    rows = [_cause(name, lines) for name, lines in by_class.items()]
    return tuple(sorted((row for row in rows if row is not None), key=lambda row: -row.f1.value))


def _cause(name: str, lines: dict[str, Any]) -> CauseRow | None:
    own = lines["dictionary"]
    if own.f1 is None or own.auc is None:
        return None
    baselines = tuple(
        CauseBaseline(name=contender, f1=line.f1.value, auc=line.auc.value)
        for contender, line in lines.items()
        if contender != "dictionary" and line.f1 is not None and line.auc is not None
    )
    return CauseRow(cause=name, feature=own.choice.by_f1.feature, f1=own.f1, auc=own.auc, baselines=baselines)


def _card(portrait: FeaturePortrait) -> FeatureCard:
    label = portrait.label
    return FeatureCard(
        id=portrait.feature,
        density=portrait.density.value if isinstance(portrait.density, Estimate) else 0.0,
        max_activation=portrait.max_activation,
        label=label.name if label is not None else "",
        histogram=Histogram(edges=portrait.edges, counts=portrait.counts) if portrait.counts else None,
        contexts=tuple(_context(context) for context in portrait.top),
        positive_logits=portrait.promoted,
        negative_logits=portrait.suppressed,
        note=f"Best match of the known causes, F1 {label.f1} on rows it was not chosen on."
        if label is not None and label.f1 is not None
        else "",
    )


def _context(context: SeenContext) -> Context:
    return Context(tokens=context.tokens, activations=context.activations, focus=context.focus)


def _commands(folder: str) -> tuple[Command, ...]:
    return (
        Command(purpose="check every byte of this run", text=f"mechlab runs verify {folder}"),
        Command(purpose="its numbers in the terminal", text=f"mechlab show {folder}"),
        Command(purpose="judge it on more text", text=f"mechlab evaluate {folder} --eval-tokens 400000"),
    )
