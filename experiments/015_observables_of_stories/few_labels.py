"""Does a direction made from no data tell as much as one fitted on few labels? All are judged on the same pairs.

1. An example is a prompt: what a head reads at the cause, the observable's value at the end, and the class.
2. The head is the one with the longest handed-back direction; no label chooses it.
3. From some labelled examples, whose names no judged pair has: regressions of the value (least squares of least
   size, and a ridge whose penalty is the best at leaving one out), a ridge on the class, and the mean difference.
4. Without labels: the direction itself, the raw observable, and drawn directions.
5. Without labels, too, but with some prompts: the direction handed back through the MLPs behind the head.
6. Judged are the squared correlation with the value, and how often the higher class reads higher (AUC).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from coupled import squared_correlation
from jaxtyping import Bool, Float64, Int64
from ranking import CHEAP, at_head
from subject import Subject
from telling import null, told
from through_mlps import through_mlps, unlabelled
from torch import Tensor
from twins import CAUSE

import mechlab
from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.parts import parts_of
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.metrics.bootstrap import estimate, from_draws, mean_estimate, resampled
from mechlab.metrics.detection import placements
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head

Vectors = Float64[Tensor, "n d_model"]
Numbers = Float64[Tensor, "n"]
Direction = Float64[Tensor, "d_model"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Prompts one by one, the first class's of all pairs before the second's.

    Attributes:
        read: what heads of a layer read at the cause.
        stream: the same in front of their norm.
        values: the observable at the end.
        is_high: whether the class is the one that the observable is high for.
    """

    read: Vectors
    stream: Vectors
    values: Numbers
    is_high: Bool[Tensor, "n"]

    def select(self, rows: Int64[Tensor, "k"]) -> "Examples":
        """Return only some of the examples."""
        return Examples(self.read[rows], self.stream[rows], self.values[rows], self.is_high[rows])


def few_labels(subject: Subject, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return how directions do at the longest head, by draws of labels, and the own one at every head."""
    model, observable = subject.model, subject.observables[name]
    layer, head = longest_head(model, observable)
    pairs = {half: subject.twins(name, half) for half in ("labelled", "held out")}
    known, judged = (examples(model, observable, pairs[half], layer) for half in ("labelled", "held out"))
    own = at_head(model, observable, (layer, head)).read.double()
    fixed = {"observable": own, "raw observable": observable.direction(model.weights()).double()}
    draws = torch.randn(settings["draws"], len(own), generator=torch_generator(0, "directions")).double()
    seeds = dict[str, Any]()
    for seed in settings["seeds"]:
        prompts = unlabelled(pairs["labelled"], max(settings["prompt_counts"]), seed)
        made = {"": own} | {
            f", through MLPs at {n}": through_mlps(model, observable, (layer, head), prompts[:n])
            for n in settings["prompt_counts"]
        }
        seeds[str(seed)] = _against(made, fitted(drawn_labels(known, settings["labels"], seed)), judged)
    scored = [_scores(one, judged) for one in draws]
    return {
        "head": f"{layer}.{head}",
        "n_held_out": len(judged.values),
        "without labels": {kind: _judged(one, judged) for kind, one in fixed.items()},
        "drawn": {"r2": null([one[0] for one in scored], 1), "auc": null([one[1] for one in scored], 1)},
        "with labels": seeds,
        "every head": _every_head(model, observable, pairs["held out"]),
    }


def longest_head(model: LanguageModel, observable: Observable) -> Head:
    """Return the head whose handed-back direction is the longest."""
    place = int(mechlab.head_lengths(model, observable, CHEAP).argmax())
    return place // model.spec.n_heads, place % model.spec.n_heads


def examples(
    model: LanguageModel, observable: Observable, batches: tuple[PromptPairs, ...], layer: int, role: str = CAUSE
) -> Examples:
    """Return both prompts of every pair as examples of what a layer's heads read where a role stands."""
    norm, stream, values = parts_of(model).norm(f"ln1.{layer}"), ([], []), ([], [])
    for pairs in batches:
        is_clean = torch.tensor([fact["first_is_clean"] for fact in pairs.facts])[:, None]
        for high in (False, True):
            tokens = torch.where(is_clean != high, pairs.clean, pairs.corrupted)
            seen = model.activations(tokens, [f"resid_pre.{layer}", "unembed_out"])
            stream[high].append(seen[f"resid_pre.{layer}"][torch.arange(len(tokens)), pairs.positions[role]].double())
            values[high].append(observable.value(seen["unembed_out"][:, -1].double()))
    all_streams = torch.cat([*stream[False], *stream[True]])
    all_values = torch.cat([*values[False], *values[True]])
    n = len(all_values)
    return Examples(norm(all_streams), all_streams, all_values, torch.arange(n) >= n // 2)


def drawn_labels(known: Examples, n: int, seed: int) -> Examples:
    """Return so many of the examples, as many of each class (one more of the higher, if odd)."""
    half, draw = len(known.values) // 2, torch_generator(seed, "labels")
    low, high = (torch.randperm(half, generator=draw) for _ in range(2))
    return known.select(torch.cat([low[: n // 2], half + high[: n - n // 2]]))


def fitted(labelled: Examples) -> dict[str, Direction]:
    """Return a direction of each kind that needs labels."""
    classes = labelled.is_high.double()
    return {
        "least squares": least_squares(labelled.read, labelled.values),
        "ridge": ridge(labelled.read, labelled.values),
        "ridge on the class": ridge(labelled.read, classes),
        "mean difference": mean_difference(labelled.read, labelled.is_high),
    }


def least_squares(x: Vectors, y: Numbers) -> Direction:
    """Return the direction of a linear regression with an intercept; of many that fit alike, the smallest."""
    return torch.linalg.lstsq(x - x.mean(0), y - y.mean(), driver="gelsd").solution


def ridge(x: Vectors, y: Numbers) -> Direction:
    """Return the direction of a ridge regression, its penalty the one of 25 that errs least when one is left out."""
    level, target, n = x - x.mean(0), y - y.mean(), len(x)
    u, s, vh = torch.linalg.svd(level, full_matrices=False)
    penalties = s.max().square() * torch.logspace(-8, 2, 25, dtype=torch.float64)
    shrunk = s.square() / (s.square() + penalties[:, None])
    hats = torch.einsum("nk,pk,mk->pnm", u, shrunk, u) + 1 / n
    left = (target - hats @ target) / (1 - hats.diagonal(dim1=1, dim2=2))
    penalty = penalties[left.square().mean(1).argmin()]
    return vh.T @ (s / (s.square() + penalty) * (u.T @ target))


def mean_difference(x: Vectors, is_high: Bool[Tensor, "n"]) -> Direction:
    """Return the mean of the higher class less that of the lower."""
    return x[is_high].mean(0) - x[~is_high].mean(0)


def _against(made: Mapping[str, Direction], directions: Mapping[str, Direction], judged: Examples) -> dict[str, Any]:
    """Return how all directions do, and by how much those made without labels do better than those that are fitted."""
    named = {f"observable{kind}": one for kind, one in made.items()}
    found: dict[str, Any] = {kind: _judged(one, judged) for kind, one in {**named, **directions}.items()}
    redrawn = {kind: _redrawn(one, judged) for kind, one in {**named, **directions}.items()}
    n = len(judged.values) // 2
    for kind in directions:
        found[kind]["less"] = {one: told(from_draws(redrawn[one] - redrawn[kind], n=n)) for one in named}
    return found


def _judged(direction: Direction, judged: Examples) -> dict[str, Any]:
    sums = _pair_sums(direction, judged)
    scores = judged.read @ direction
    placed = placements(scores[judged.is_high], scores[~judged.is_high])
    return {"r2": told(estimate(sums, squared_correlation)), "auc": told(mean_estimate(placed))}


def _scores(direction: Direction, judged: Examples) -> tuple[float, float]:
    """Return r² and AUC; a direction that nobody gave a sign may read either class higher."""
    scores = judged.read @ direction
    auc = float(placements(scores[judged.is_high], scores[~judged.is_high]).mean())
    return float(squared_correlation(_pair_sums(direction, judged).sum(0))), max(auc, 1 - auc)


def _redrawn(direction: Direction, judged: Examples) -> Float64[Tensor, "n_draws"]:
    return squared_correlation(resampled(_pair_sums(direction, judged)))


def _pair_sums(direction: Direction, judged: Examples) -> Float64[Tensor, "n_pairs 6"]:
    """Return the sums of reading and value over both prompts of each pair, which are redrawn together."""
    x, y = judged.read @ direction, judged.values
    each = torch.stack([torch.ones_like(x), x, y, x.square(), x * y, y.square()], -1)
    return each.unflatten(0, (2, -1)).sum(0)


def _every_head(
    model: LanguageModel, observable: Observable, batches: tuple[PromptPairs, ...]
) -> dict[str, list[float]]:
    """Return r² and AUC of the direction at every head: what a choice with labels could have had."""
    found: dict[str, list[float]] = {}
    for layer in range(model.spec.n_layers):
        judged = examples(model, observable, batches, layer)
        for head in range(model.spec.n_heads):
            scores = _scores(at_head(model, observable, (layer, head)).read.double(), judged)
            found[f"{layer}.{head}"] = [round(one, 4) for one in scores]
    return found
