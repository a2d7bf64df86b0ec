"""Gates: whether a step is made at a token, by what a direction or a feature is there in this very pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.interventions.steering.features import Features
from mechlab.interventions.steering.parts import FeaturePart
from mechlab.interventions.steering.spec import SteerGate
from mechlab.models.sites import Site

Stream = Float[Tensor, "batch pos width"]


@dataclass(frozen=True, eq=False)
class Gating:
    """One step's gate.

    Attributes:
        gate: as the spec has it.
        site: where it reads; None is what the step itself reads.
        probe: the direction, None where a feature's code decides.
        features: among which the feature is.
    """

    gate: SteerGate
    site: Site | None
    probe: Float[Tensor, "width"] | None = None
    features: Features | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What gates of different rows share where they are looked at together."""
        return self.site, self.features


@dataclass(frozen=True, eq=False)
class Gates:
    """The gates of all rows, looked at together.

    Attributes:
        site: where they read; None is what the step itself reads.
        above: the thresholds.
        value: gives what is compared with them.
    """

    site: Site | None
    above: Float[Tensor, "#batch 1 1"]
    value: Callable[[Tensor], Tensor]

    def open_at(self, x: Stream, seen: Mapping[str, Tensor], where: slice) -> Float[Tensor, "batch pos 1"]:
        """Return 1 where a step is made and 0 elsewhere.

        Args:
            x: what the step reads.
            seen: what other sites were in this pass.
            where: the places in the pass that count.
        """
        x = x if self.site is None else seen[str(self.site)].flatten(2)[:, where]
        value = self.value(x)
        return (value > self.above.to(value)).to(x.dtype)


def stacked_gates(rows: Sequence[Gating | None], like: Tensor) -> Gates:
    """Return the gates of all rows. A row without one must change nothing anyway.

    Args:
        rows: gates that have one key; at least one of them there.
        like: has the number type and device of the model.
    """
    (first, *_) = (one for one in rows if one is not None)
    above = torch.tensor([0.0 if one is None else one.gate.above for one in rows], dtype=torch.float64)
    value = _by_direction(rows, like) if first.features is None else _by_feature(rows, first.features, like)
    return Gates(first.site, above.to(like)[:, None, None], value)


def for_rows(columns: Float[Tensor, "n_rows width 1"]) -> Tensor:
    """Return the columns that rows are multiplied with; one for all rows without their axis, which is quicker."""
    return columns[0] if len(columns) == 1 else columns


def _by_direction(rows: Sequence[Gating | None], like: Tensor) -> Callable[[Tensor], Tensor]:
    none = torch.zeros_like(next(one.probe for one in rows if one is not None and one.probe is not None))
    found = [none if one is None or one.probe is None else one.probe for one in rows]
    probes = for_rows(torch.stack(found).to(like)[..., None])
    return lambda x: x @ probes.to(x)


def _by_feature(rows: Sequence[Gating | None], features: Features, like: Tensor) -> Callable[[Tensor], Tensor]:
    parts = [None if one is None else one.gate.part for one in rows]
    own = [part.feature if isinstance(part, FeaturePart) else -1 for part in parts]
    numbers = sorted(set(own) - {-1})
    encode = features.codes_of(torch.tensor(numbers, device=like.device))
    columns = [numbers.index(number) if number in numbers else 0 for number in own]
    picked = torch.tensor(columns, device=like.device)[:, None, None]
    return lambda x: torch.take_along_dim(encode(x), picked, 2)
