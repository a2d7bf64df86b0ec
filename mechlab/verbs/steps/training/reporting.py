"""Fill a run's report: from a judgement and a training log to the values its page shows."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.corpora import CORPORA
from mechlab.verbs.steps.opening import Subject
from mechlab.verbs.steps.training.judging import Judgement
from mechlab.views.findings import cause_rows, feature_card, metric_rows, site_norms
from mechlab.views.numbers import measured
from mechlab.views.report import render_report
from mechlab.views.report_data import (
    Command,
    Curve,
    Fact,
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
    """What a page says of the run itself: id, kind, and facts by label.

    Not where it lies: the same run has the same page in every folder.
    """

    id: str
    kind: str
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
        title=f"{card.kind}, {subject.route} of {Path(subject.config.model).name}",
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
        site_norms=site_norms(judgement.norm_shares),
        ground_truth=cause_rows(judgement.ground_truth),
        features=tuple(feature_card(portrait) for portrait in judgement.portraits),
        steering=steering,
        commands=_commands(subject),
        citation=f"mechlab run {card.id}, {card.kind}, seed {subject.config.seed}",
    )
    return render_report(data)


def _summary(subject: Subject, judgement: Judgement) -> str:
    source = subject.corpus_record.name
    return (
        f"A dictionary at {subject.route} of {subject.config.model}, judged on {judgement.evaluation.n_tokens:,} "
        f"held-out tokens of {source} in {judgement.evaluation.n_rows:,} rows."
    )


def _notes(judgement: Judgement) -> tuple[str, ...]:
    n_rows = judgement.evaluation.n_rows
    notes = [f"Intervals are 95 % bootstrap intervals over {n_rows:,} rows of text; this is one training seed."]
    if judgement.replaced:
        notes.append(judgement.replaced)
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


def _commands(subject: Subject) -> tuple[Command, ...]:
    """Return what to type next; RUN stands for the folder of the page, so that the page does not depend on it."""
    seeded = subject.corpus is None or subject.corpus.name in CORPORA
    other_text = f"--seed {subject.config.seed + 1}" if seeded else "--corpus FILE"
    return (
        Command(purpose="check every byte of this run (RUN: the folder of this page)", text="mechlab runs verify RUN"),
        Command(purpose="its numbers in the terminal", text="mechlab show RUN"),
        Command(purpose="judge it on other text", text=f"mechlab evaluate RUN {other_text}"),
    )
