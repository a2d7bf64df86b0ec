"""The paths that bring most to some targets, found from the targets down.

1. Begin with the targets.
2. Expand what is open: of each path, the steps below that bring most, whatever their sign.
3. What begins with an end is complete. Of the others, those that bring most stay open, as many as the beam is wide.
4. Go on until nothing is open. Without bounds every path is found, and the complete ones of a target sum to its value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from mechlab.circuits.attribution.expansion import Effects, Expansion, Readers
from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.path_filters import StepPattern
from mechlab.circuits.attribution.paths import Path, Step, largest
from mechlab.circuits.attribution.sources import Sources, sources_of
from mechlab.circuits.attribution.targets import Targets
from mechlab.core.config import Config
from mechlab.core.errors import UsageError

AT_ONCE = 64


class PathSearch(Config):
    """How widely paths are searched.

    Attributes:
        beam: how many paths stay open after every step; None for all.
        per_step: how many steps below each are followed; None for all.
        longest: how many steps a path may have, its target among them; None for any number.
        complete: only paths that begin with what nothing adds to; else every path on the way counts as one.
        sign: of what a path brings: both, or only one of them.
        leave_out: patterns of steps that no path may take, such as `position=0`; see `path_filters`.
    """

    beam: PositiveInt | None = 256
    per_step: PositiveInt | None = 32
    longest: PositiveInt | None = None
    complete: bool = True
    sign: Literal["both", "positive", "negative"] = "both"
    leave_out: tuple[str, ...] = ()


@torch.no_grad()
def top_paths(
    frozen: FrozenPass,
    targets: Targets,
    *,
    n: int | None = 20,
    search: PathSearch | None = None,
    names: Sequence[str] = (),
    sources: Sources | None = None,
) -> tuple[Path, ...]:
    """Return the paths found that bring most to the targets, the largest first, whatever its sign.

    Args:
        frozen: the pass.
        targets: to which.
        n: how many; None is all that were found.
        search: how widely.
        names: what the targets are called.
        sources: all that adds to the pass, where it is known already.

    Raises:
        UsageError: a pattern of steps is not understood, or there are more or fewer names than targets.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (greedy search for paths). There
    only positive steps are followed, and biases and errors are no steps.
    """
    if len(names) not in (0, len(targets)):
        raise UsageError("names do not fit the targets", value=len(names), remedy=f"There are {len(targets)}.")
    asked = search or PathSearch()
    walk = _Search(Expansion(frozen, sources or sources_of(frozen)), asked, n)
    labels = names or [""] * len(targets)
    of_targets = zip(targets.positions.tolist(), labels, targets.values.tolist(), strict=True)
    first = [
        _Open(Step("target", targets.layer, position, number, label=label), value, None)
        for number, (position, label, value) in enumerate(of_targets)
    ]
    walk.run(first, Readers.of(frozen, targets))
    return largest(walk.found, n)


@dataclass(frozen=True, eq=False)
class _Open:
    """A step, what it brings, and the path above it."""

    step: Step
    effect: float
    above: "_Open | None"

    def path(self) -> Path:
        steps, effects, own = list[Step](), list[float](), self
        while own is not None:
            steps.append(own.step)
            effects.append(own.effect)
            own = own.above
        return Path(tuple(steps), tuple(effects))


@dataclass(frozen=True, eq=False)
class _Steps:
    """Steps below open paths: the path's place among them, the step's number, and what it brings."""

    rows: Tensor
    numbers: Tensor
    effects: Tensor

    def largest(self, is_asked: Tensor, n: int | None) -> "_Steps":
        """Return those asked for that bring most."""
        own = is_asked.nonzero().squeeze(1)
        best = own[self.effects[own].abs().argsort(descending=True, stable=True)[:n]]
        return _Steps(self.rows[best], self.numbers[best], self.effects[best])


class _Search:
    """The paths found so far."""

    def __init__(self, expansion: Expansion, search: PathSearch, n: int | None) -> None:
        self._expansion, self._search, self._n = expansion, search, n
        self._left_out = [StepPattern.parse(one) for one in search.leave_out]
        self.found: list[Path] = []

    def run(self, paths: list[_Open], readers: Readers) -> None:
        """Go down from some open paths until none is left."""
        length = 1
        while paths and length != self._search.longest:
            below = self._below(readers)
            goes_on = self._expansion.numbers.goes_on(below.numbers)
            counts = self._has_sign(below.effects) & (~goes_on | (not self._search.complete))
            new = self._grown(paths, below.largest(counts, self._n))
            self.found = list(largest([*self.found, *(one.path() for one in new)], self._n))
            kept = below.largest(goes_on, self._search.beam)
            paths, length = self._grown(paths, kept), length + 1
            if paths:
                readers = self._expansion.followed(readers.chosen(kept.rows), kept.numbers, kept.effects)

    def _below(self, readers: Readers) -> _Steps:
        """Return the steps that bring most to each reader."""
        parts = []
        for rows in torch.arange(len(readers), device=readers.positions.device).split(AT_ONCE):
            some = readers.chosen(rows)
            effects = self._allowed(self._expansion.effects(some), some)
            width = min(self._search.per_step or effects.shape[1], effects.shape[1])
            numbers = effects.abs().topk(width).indices
            chosen = effects.gather(1, numbers)
            row, place = (chosen != 0).nonzero(as_tuple=True)
            parts.append((rows[row], numbers[row, place], chosen[row, place]))
        return _Steps(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _allowed(self, effects: Effects, readers: Readers) -> Effects:
        for pattern in self._left_out:
            effects = effects.masked_fill(self._expansion.numbers.fitting(pattern, readers.positions), 0)
        return effects

    def _grown(self, paths: list[_Open], below: _Steps) -> list[_Open]:
        found, told = [], (below.rows.tolist(), below.numbers.tolist(), below.effects.tolist())
        for row, number, effect in zip(*told, strict=True):
            above, step = paths[row], paths[row].step
            position = step.position if step.source is None else step.source
            assert position is not None
            found.append(_Open(self._expansion.numbers.step(number, position), effect, above))
        return found

    def _has_sign(self, effects: Tensor) -> Tensor:
        signs = {"positive": effects > 0, "negative": effects < 0}
        return signs.get(self._search.sign, torch.ones_like(effects, dtype=torch.bool))
