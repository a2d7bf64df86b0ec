"""Stages: the changes of one site in their order, each made for all rows at once, where its span meets the pass."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.interventions.steering.changes import Change, Kernel
from mechlab.interventions.steering.gating import Gates, stacked_gates
from mechlab.interventions.steering.moment import Moment
from mechlab.interventions.steering.span import TokenSpan

Stream = Float[Tensor, "batch pos width"]
EVERYWHERE = slice(None)


@dataclass(frozen=True, eq=False)
class Stage:
    """One change of every row."""

    span: TokenSpan
    read: str | None
    keep_norm: bool
    kernel: Kernel
    gates: Gates | None

    @cached_property
    def everywhere(self) -> bool:
        """Whether every token of every pass is changed."""
        return self.span == TokenSpan()

    @cached_property
    def added(self) -> Tensor | None:
        """What is added to every activation as it is; None where there is more to do."""
        plain = self.everywhere and self.gates is None and not self.keep_norm
        return self.kernel if plain and isinstance(self.kernel, Tensor) else None

    def changed(self, h: Stream, seen: Mapping[str, Tensor], moment: Moment) -> Stream:
        """Return the activation of a pass, changed where the span meets it.

        Args:
            h: what stands at the site.
            seen: what other sites were in this pass.
            moment: where in its row the pass is.
        """
        if self.everywhere:
            return self._changed(h, seen, EVERYWHERE)
        n_pos = h.shape[1]
        where = moment.places(self.span, n_pos)
        if where.start == where.stop:
            return h
        if where.stop - where.start == n_pos:
            return self._changed(h, seen, EVERYWHERE)
        return torch.cat([h[:, : where.start], self._changed(h[:, where], seen, where), h[:, where.stop :]], 1)

    def _changed(self, h: Stream, seen: Mapping[str, Tensor], where: slice) -> Stream:
        x = h
        if self.read is not None:
            x = seen[self.read].flatten(2)
            x = x if where is EVERYWHERE else x[:, where]
        change = self.kernel if isinstance(self.kernel, Tensor) else self.kernel(x)
        if self.gates is not None:
            change = change * self.gates.open_at(x, seen, where)
        new = h + change.to(h)
        return rescaled(new, h) if self.keep_norm else new


@dataclass(eq=False)
class SiteEdit:
    """All stages of one site, as an edit.

    Attributes:
        moment: where in its row a pass is.
        stages: in order.
        seen: what other sites were in this pass, refilled by every pass.
    """

    moment: Moment
    stages: tuple[Stage, ...]
    seen: Mapping[str, Tensor] = field(default_factory=dict)

    def __call__(self, activation: Tensor) -> Tensor:
        """Return what a pass goes on with.

        Raises:
            UsageError: the pass has another number of rows than there are specs.
        """
        if self.moment.n_rows is not None:
            self.moment.refuse_other_batch(activation)
        h = activation if activation.ndim == 3 else activation.flatten(2)
        for stage in self.stages:
            h = stage.changed(h, self.seen, self.moment) if stage.added is None else h + stage.added.to(h)
        return h if activation.ndim == 3 else h.reshape(activation.shape)


def stages_of(rows: Sequence[Sequence[Change]], like: Tensor) -> tuple[Stage, ...]:
    """Return the changes of one site as stages: those of a row in their order, those of other rows beside them.

    Args:
        rows: the changes of each row.
        like: has the number type and device of the model.
    """
    queues = [deque(row) for row in rows]
    found: list[Stage] = []
    while waiting := [queue for queue in queues if queue]:
        first = waiting[0][0]
        taken = [_next(queue, first.key) for queue in queues]
        gates = [row[0].gate if row else None for row in taken]
        found.append(
            Stage(
                first.span,
                None if first.read is None else str(first.read),
                first.keep_norm,
                type(first).kernel(taken, like),
                None if first.gate is None else stacked_gates(gates, like),
            )
        )
    return tuple(found)


def rescaled(new: Stream, old: Stream) -> Stream:
    """Return vectors at the lengths that others have; those of no length stay so."""
    wide = torch.promote_types(new.dtype, torch.float32)
    wanted, there = (torch.linalg.vector_norm(one, dim=-1, keepdim=True, dtype=wide) for one in (old, new))
    return (new * torch.nan_to_num(wanted / there, nan=1.0, posinf=1.0)).to(new)


def _next(queue: deque[Change], key: tuple[object, ...]) -> list[Change]:
    """Take from a row's changes the next ones that can be made together under a key."""
    taken: list[Change] = []
    while queue and queue[0].key == key and all(queue[0].joins(one) for one in taken):
        taken.append(queue.popleft())
    return taken
