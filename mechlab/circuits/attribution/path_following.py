"""Given paths through a pass: what each brings there, also where another pass found it.

1. Begin with the targets.
2. Of all paths, take the next step down, those with the same steps behind it together.
3. A step that the pass does not have, as a feature that is off, brings nothing, and neither does what leads to it.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from mechlab.circuits.attribution.expansion import Expansion, Readers
from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.paths import Path, Step
from mechlab.circuits.attribution.sources import Sources, sources_of
from mechlab.circuits.attribution.targets import Targets
from mechlab.core.errors import UsageError

Steps = tuple[Step, ...]
AT_ONCE = 64


@torch.no_grad()
def followed_paths(
    frozen: FrozenPass, targets: Targets, paths: Iterable[Steps], *, sources: Sources | None = None
) -> tuple[Path, ...]:
    """Return paths, given by their steps, with what they bring in this pass, in their order.

    Args:
        frozen: the pass.
        targets: the last step of every path is one of them, by its number.
        paths: from the first step to the target, positions told.
        sources: all that adds to the pass, where it is known already.

    Raises:
        UsageError: a path does not end at a target.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (a path's kernel: the product of
    the linear maps along it).
    """
    asked = tuple(paths)
    for path in asked:
        last = path[-1]
        if last.kind != "target" or last.number is None or last.number >= len(targets):
            raise UsageError("path does not end at a target", value=last.name, remedy=f"There are {len(targets)}.")
    expansion = Expansion(frozen, sources or sources_of(frozen))
    following = _Following(expansion, targets, {path[-1:] for path in asked})
    for length in range(2, max(map(len, asked), default=0) + 1):
        following.down({path[-length:] for path in asked if len(path) >= length})
    brought = following.brought
    return tuple(Path(path, tuple(brought.get(path[first:], 0.0) for first in range(len(path)))) for path in asked)


class _Following:
    """What the tails of paths bring, and the readers that those of one length are."""

    def __init__(self, expansion: Expansion, targets: Targets, ends: set[Steps]) -> None:
        self._expansion, self._readers = expansion, Readers.of(expansion.frozen, targets)
        self._rows = {end: end[0].number or 0 for end in ends}
        self.brought = {end: float(targets.values[row]) for end, row in self._rows.items()}

    def down(self, tails: set[Steps]) -> None:
        """Take one more step down."""
        known = [tail for tail in tails if tail[1:] in self._rows and tail[0].position == _read_at(tail[1])]
        numbers = [self._expansion.numbers.number(tail[0]) for tail in known]
        found = [(tail, number) for tail, number in zip(known, numbers, strict=True) if number is not None]
        rows = [self._rows[tail[1:]] for tail, _ in found]
        rows, steps = (self._readers.positions.new_tensor(one) for one in (rows, [number for _, number in found]))
        effects = self._effects(rows, steps)
        self.brought |= {tail: effect for (tail, _), effect in zip(found, effects.tolist(), strict=True)}
        goes_on = (self._expansion.numbers.goes_on(steps) & (effects != 0)).nonzero().squeeze(1)
        self._rows = {found[one][0]: place for place, one in enumerate(goes_on.tolist())}
        if self._rows:
            above = self._readers.chosen(rows[goes_on])
            self._readers = self._expansion.followed(above, steps[goes_on], effects[goes_on])

    def _effects(self, rows: Tensor, steps: Tensor) -> Tensor:
        """Return what steps add to readers, each by its row."""
        effects = self._readers.vectors.new_zeros(len(rows))
        for some in rows.unique().split(AT_ONCE):
            own = torch.isin(rows, some).nonzero().squeeze(1)
            of_some = self._expansion.effects(self._readers.chosen(some))
            effects[own] = of_some[torch.searchsorted(some, rows[own]), steps[own]]
        return effects


def _read_at(step: Step) -> int | None:
    return step.position if step.source is None else step.source
