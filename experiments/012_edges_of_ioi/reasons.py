"""Why a ranking does well or badly: how straight the way between both prompts is, and which edges nothing does without.

1. The outcome is measured along the way of the embeddings; its slope at either end and in parts of the way is the sum
   of what edges of the embeddings score, so that it tells how much of the fall a method sees at all.
2. Rankings are made with other steps, at the other end and by another outcome, and judged as the others are.
3. A bottleneck is an edge that costs half of the fall by itself: no circuit does much before the last of them is in.
4. EAP's ranking is judged again with the bottlenecks put first, and both methods' sizes with the exact scores' signs.
5. Circuits of few edges are run, one by one, where CPR's shares leave gaps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from judging import WAYS, curve_of, row_of
from scoring import CHEAP, OUTCOME, with_interval
from torch import Tensor

import mechlab
from mechlab.circuits.patching.edge_scores import EdgeScores, edge_name
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.metrics.bootstrap import resampled
from mechlab.models.language_model import LanguageModel

Batches = Sequence[PromptPairs]
OF_OTHER_UNITS = ("exact", "eap-ig, probability")
"""Scores whose sums are no share of the fall: those of edges taken one by one, and those that are no nats."""


def reasons(
    model: LanguageModel,
    chosen_on: Batches,
    judged_on: Batches,
    scores: dict[str, EdgeScores],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Return what explains how the methods' circuits do."""
    way = along(model, chosen_on, settings["points"])
    fall, wiring = way[:, 0] - way[:, -1], scores["exact"].wiring
    others = other_scores(model, chosen_on, settings)
    needed = bottlenecks(scores["exact"], float(fall.mean()))
    rankings = {name: one.mean for name, one in others.items()}
    rankings["eap, bottlenecks first"] = scores["eap"].mean.masked_fill(needed, torch.inf)
    rankings |= {f"{name}, exact signs": scores[name].mean.abs() * scores["exact"].mean.sign() for name in CHEAP}
    return {
        "way": [round(value, 3) for value in way.mean(0).tolist()],
        "seen": {name: seen(one, fall) for name, one in (scores | others).items() if name not in OF_OTHER_UNITS},
        "signed": {
            name: row_of(curve_of(model, wiring, judged_on, ranking, "signed"))["cpr"]
            for name, ranking in rankings.items()
        },
        "bottlenecks": _named(scores["exact"], needed),
        "last bottleneck": {
            way: {name: last_place(one, needed, by_size) for name, one in scores.items()}
            for way, (_, by_size) in WAYS.items()
        },
        "wrong signs": {name: wrong_signs(one, scores["exact"]) for name, one in scores.items()},
        "few edges": {
            way: {name: few(model, judged_on, one, by_size, settings["few"]) for name, one in scores.items()}
            for way, (_, by_size) in WAYS.items()
        },
    }


@torch.no_grad()
def along(model: LanguageModel, batches: Batches, n_points: int) -> Tensor:
    """Return each prompt's outcome at points of the way from its own embeddings to the corrupted prompt's."""
    found = []
    for pairs in batches:
        here, other = (model.activations(one, ["resid_pre.0"])["resid_pre.0"] for one in (pairs.clean, pairs.corrupted))
        values = []
        for part in torch.linspace(0, 1, n_points).tolist():
            with model.edit({"resid_pre.0": lambda _, start=here + part * (other - here): start}):
                values.append(OUTCOME.of(model.logits(pairs.clean)[:, -1], {}, pairs))
        found.append(torch.stack(values, dim=1).double())
    return torch.cat(found)


def other_scores(model: LanguageModel, batches: Batches, settings: Mapping[str, Any]) -> dict[str, EdgeScores]:
    """Return scores of edges made otherwise: at the corrupted prompt, in other steps, by probabilities."""
    found = {"eap, corrupted end": mechlab.eap(model, batches, OUTCOME, mechlab.PatchSettings(direction="denoising"))}
    for steps in settings["other_steps"]:
        found[f"eap-ig, steps {steps}"] = mechlab.eap_ig(model, batches, OUTCOME, mechlab.PatchSettings(steps=steps))
    told = mechlab.PatchSettings(steps=settings["steps"])
    found["eap-ig, probability"] = mechlab.eap_ig(model, batches, mechlab.ProbabilityDifference(), told)
    return found


def seen(scores: EdgeScores, fall: Tensor) -> list[float]:
    """Return which share of the fall the edges of the embeddings score together: 1 is all of it."""
    own = scores.values[:, scores.wiring.sources.index("input")].double().sum(-1)
    totals = resampled(torch.stack([own, fall], dim=1))
    return with_interval((totals[:, 0] / totals[:, 1]).tolist())


def bottlenecks(exact: EdgeScores, fall: float) -> Tensor:
    """Return the edges that cost half of the fall, each by itself."""
    return (exact.mean >= fall / 2) & exact.wiring.is_edge


def last_place(scores: EdgeScores, needed: Tensor, by_size: bool) -> int:
    """Return how many edges a ranking takes until it has all of these."""
    ranking = (scores.mean.abs() if by_size else scores.mean).masked_fill(~scores.wiring.is_edge, -torch.inf)
    return int((ranking >= ranking[needed].min()).sum()) if needed.any() else 0


def wrong_signs(scores: EdgeScores, exact: EdgeScores) -> list[float]:
    """Return which share of the exact scores' sizes is on edges scored with the other sign, and how many those are.

    Counted are edges of 1 % of the largest and more.
    """
    own, wanted = scores.of_edges, exact.of_edges
    wrong = (own.sign() != wanted.sign()) & (wanted.abs() >= wanted.abs().max() / 100)
    return [round(float(wanted.abs()[wrong].sum() / wanted.abs().sum()), 4), int(wrong.sum())]


def few(model: LanguageModel, batches: Batches, scores: EdgeScores, by_size: bool, sizes: Sequence[int]) -> list[float]:
    """Return f of circuits of few edges."""
    ranking, wiring = scores.mean.abs() if by_size else scores.mean, scores.wiring
    shares = [size / wiring.n_edges for size in sizes]
    circuits = mechlab.best_edges(wiring, ranking, sizes)
    curve = mechlab.faithfulness_curve(model, batches, circuits, OUTCOME, shares)
    return [round(value, 3) for value in curve.faithfulness.tolist()]


def _named(exact: EdgeScores, needed: Tensor) -> dict[str, float]:
    wiring, mean = exact.wiring, exact.mean
    places = sorted(needed.nonzero().tolist(), key=lambda place: -float(mean[place[0], place[1]]))
    return {
        edge_name(wiring.sources[source], wiring.readers[reader].name): round(float(mean[source, reader]), 3)
        for source, reader in places
    }
