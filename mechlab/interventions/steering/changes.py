"""Changes: what one step does at one site, and how the same step of several rows is made at once.

1. A change says what it reads and where, and knows the changes of other rows it can be made together with (`key`).
2. Along a direction, the change is `(gain x . reader + shift) writer`, for as many rows as there are in three products.
3. Of codes, the change is what new codes write more than the old: a row's features are looked up in one encoding.
4. A row that has no such step gets zeros, so that nothing is added to it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.interventions.steering.features import Features
from mechlab.interventions.steering.gating import Gating, for_rows
from mechlab.interventions.steering.operations import Recode
from mechlab.interventions.steering.span import TokenSpan
from mechlab.models.sites import Site

Stream = Float[Tensor, "batch pos width"]
Kernel = Tensor | Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False, kw_only=True)
class Change(ABC):
    """One step at one site.

    Attributes:
        site: where it is made.
        read: what it depends on; None is what stands at the site as it comes to the step.
        span: at which tokens.
        keep_norm: bring what was changed back to its length.
        gate: at which of these; None is all.
    """

    site: Site
    read: Site | None
    span: TokenSpan
    keep_norm: bool
    gate: Gating | None

    @property
    def key(self) -> tuple[object, ...]:
        """What changes share that can be made together, each in its row."""
        return type(self), self.read, self.span, self.keep_norm, None if self.gate is None else self.gate.key

    @abstractmethod
    def joins(self, before: "Change") -> bool:
        """Tell whether it can be made together with one of its own row that comes before it and has the same key."""

    @classmethod
    @abstractmethod
    def kernel(cls, rows: "Sequence[Sequence[Change]]", like: Tensor) -> Kernel:
        """Return what makes the changes of all rows from what they read, or the changes where they read nothing.

        Args:
            rows: changes of one key, a few of each row or none.
            like: has the number type and device of the model.
        """


@dataclass(frozen=True, eq=False, kw_only=True)
class Shift(Change):
    """A vector is added."""

    vector: Float[Tensor, "width"]

    def joins(self, before: Change) -> bool:
        """Tell whether both can be added at once: where lengths are kept, the first must come to its own."""
        return not self.keep_norm and self.gate is None and before.gate is None

    @classmethod
    def kernel(cls, rows: "Sequence[Sequence[Shift]]", like: Tensor) -> Kernel:  # type: ignore[override]
        """Return every row's vector."""
        none = torch.zeros_like(next(one.vector for row in rows for one in row))
        return torch.stack([sum((one.vector for one in row), none) for row in rows]).to(like)[:, None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Along(Change):
    """The part along a direction is scaled and shifted; what comes of it may be written along another."""

    reader: Float[Tensor, "width_read"]
    writer: Float[Tensor, "width"]
    gain: float
    shift: Float[Tensor, ""]

    def joins(self, before: Change) -> bool:
        """Tell that each reads what those before it left."""
        return False

    @classmethod
    def kernel(cls, rows: "Sequence[Sequence[Along]]", like: Tensor) -> Kernel:  # type: ignore[override]
        """Return what scales and shifts every row's part along its direction."""
        (first, *_) = (one for row in rows for one in row)
        own = [row[0] if row else None for row in rows]
        nothing, nowhere = torch.zeros_like(first.reader), torch.zeros_like(first.writer)
        gains = torch.tensor([0.0 if one is None else one.gain for one in own], dtype=first.reader.dtype)
        readers = torch.stack([nothing if one is None else one.reader for one in own]) * gains[:, None].to(nothing)
        shifts = torch.stack([torch.zeros_like(first.shift) if one is None else one.shift for one in own])
        writers = torch.stack([nowhere if one is None else one.writer for one in own]).to(like)[:, None]
        readers, shifts = for_rows(readers.to(like)[..., None]), shifts.to(like)[:, None, None]
        return lambda x: (x @ readers.to(x) + shifts.to(x)) * writers.to(x)


@dataclass(frozen=True, eq=False, kw_only=True)
class Recoded(Change):
    """A feature has another code."""

    features: Features
    feature: int
    recode: Recode

    @property
    def key(self) -> tuple[object, ...]:
        """What changes share that can be made together, each in its row."""
        return *super().key, self.features

    def joins(self, before: Change) -> bool:
        """Tell whether both are of one encoding: of different features, behind the same gate."""
        assert isinstance(before, Recoded)
        gates = [None if one.gate is None else one.gate.gate for one in (self, before)]
        return self.feature != before.feature and gates[0] == gates[1]

    @classmethod
    def kernel(cls, rows: "Sequence[Sequence[Recoded]]", like: Tensor) -> Kernel:  # type: ignore[override]
        """Return what new codes write more than the old ones, for the rows that have any."""
        some = [number for number, row in enumerate(rows) if row]
        (first, *_) = rows[some[0]]
        numbers = sorted({one.feature for row in rows for one in row})
        unchanged = Recode(1.0, 0.0, -torch.inf)
        own = [{one.feature: one.recode for one in rows[row]} for row in some]
        table = torch.tensor(
            [[codes.get(number, unchanged) for number in numbers] for codes in own], dtype=torch.float64
        )
        factor, constant, floor = table.to(first.features.dtype).to(like.device)[:, None].unbind(-1)
        ids = torch.tensor(numbers, device=like.device)
        writers = first.features.writers(ids, first.site)
        assert writers is not None
        encode, has_floor = first.features.codes_of(ids), bool((floor > -torch.inf).any())
        picked = None if len(some) == len(rows) else torch.tensor(some, device=like.device)

        def written(x: Stream) -> Stream:
            codes = encode(x if picked is None else x[picked])
            new = torch.addcmul(constant, factor, codes)
            more = ((torch.maximum(new, floor) if has_floor else new) - codes) @ writers
            return more if picked is None else more.new_zeros(len(x), *more.shape[1:]).index_copy(0, picked, more)

        return written
