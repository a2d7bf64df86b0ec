"""Which path carries a year to the answer: the paths that bring most to later years, found without being told where.

1. Of each prompt, and of the same with another first year, the mean logit of the years that are later in the first one
   is traced, less that of the others: through features and heads, down to what nothing adds to.
2. Paths are one route where they differ only in what happens at the token before a head moves it, or in which features
   of a layer they take. Tokens go by their roles.
3. A route counts by what it brings in the prompt less what it brings with the other year; over all routes this sums to
   how far the two prompts' answers are apart.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from subject import Subject
from torch import Tensor

import mechlab
from mechlab.circuits.attribution.path_search import PathSearch, top_paths
from mechlab.circuits.attribution.paths import Path, Step
from mechlab.corpora.tasks.pairs import END, PromptPairs
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.sites import Head

Feature = tuple[int, int]
Route = tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """Routes, the one that brings most first.

    Attributes:
        brought: in logits, on average: with the first year less with the other.
        features: of every route, how much each feature brings with the first year, whatever its sign.
        apart: how far the answers are apart, of which all routes together bring `explained`.
    """

    brought: dict[Route, float]
    features: dict[Route, dict[Feature, float]]
    apart: float
    explained: float

    def moved(self) -> list[Route]:
        """Return the routes on which one head moves something from an earlier token to features at the last."""
        is_moved = {route: sum(step.startswith("head.") for step in route) == 1 for route in self.brought}
        return [route for route in self.brought if is_moved[route] and any(s.startswith("features.") for s in route)]


def found_routes(subject: Subject, transcoders: TranscoderSet, settings: Mapping[str, Any]) -> Found:
    """Return the routes to the answer in prompts to choose by."""
    brought: dict[Route, float] = defaultdict(float)
    features: dict[Route, dict[Feature, float]] = defaultdict(lambda: defaultdict(float))
    search = PathSearch(beam=settings["width"], per_step=settings["width"])
    prompts = [pairs.select(slice(row, row + 1)) for pairs in subject.chosen_by for row in range(len(pairs))]
    prompts = prompts[:: max(1, len(prompts) // settings["n_traced"])]
    apart = 0.0
    for one in prompts:
        for tokens, sign in ((one.clean, 1), (one.corrupted, -1)):
            paths, value = _paths(subject, transcoders, one, tokens, search)
            apart += sign * value / len(prompts)
            for path in paths:
                route = _route(path, one)
                brought[route] += sign * path.contribution / len(prompts)
                for step in path.steps if sign > 0 else ():
                    if step.kind == "feature" and _role(step.position, one) == END:
                        features[route][step.layer or 0, step.number or 0] += abs(path.contribution) / len(prompts)
    ordered = sorted(brought, key=lambda route: -abs(brought[route]))
    return Found({route: brought[route] for route in ordered}, dict(features), apart, sum(brought.values()))


def head_of(route: Route) -> tuple[Head, str]:
    """Return the one head of a route, and the role of the token that it reads."""
    (step,) = [step for step in route if step.startswith("head.")]
    layer, head = map(int, step.split(".")[1:])
    return (layer, head), route[0]


def _paths(
    subject: Subject, transcoders: TranscoderSet, one: PromptPairs, tokens: Tensor, search: PathSearch
) -> tuple[tuple[Path, ...], float]:
    frozen = mechlab.frozen_pass(subject.model, transcoders, tokens)
    direction = torch.zeros(1, subject.model.spec.d_vocab)
    right = one.is_right[0]
    direction[0, one.candidates[0]] = torch.where(right, 1 / right.sum(), -1 / (~right).sum())
    targets = mechlab.direction_targets(frozen, direction)
    return top_paths(frozen, targets, n=None, search=search), float(targets.values[0])


def _route(path: Path, one: PromptPairs) -> Route:
    """Return where a path begins, the heads that move it from there, and what it takes at the last token."""
    moves = [place for place, step in enumerate(path.steps) if step.source is not None and step.source != step.position]
    first = moves[0] if moves else 0
    begins = path.steps[first].source if moves else path.steps[0].position
    kept = path.steps[first:] if moves else path.steps[1:]
    names = [_name(step) for step in kept if step.source is None or step.source != step.position]
    return (_role(begins, one), *names)


def _name(step: Step) -> str:
    if step.kind == "target":
        return "answer"
    return f"head.{step.layer}.{step.number}" if step.kind == "head" else f"{step.kind}s.{step.layer}"


def _role(position: int | None, one: PromptPairs) -> str:
    roles = {int(where[0]): role for role, where in one.positions.items()}
    return roles.get(position if position is not None else -1, "elsewhere")
