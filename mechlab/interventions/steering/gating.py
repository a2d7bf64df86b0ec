"""Gates: whether a step is made at a token, by what a direction or a feature is there in this very pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.interventions.steering.features import Features
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
    """The gates of all rows, looked at together."""

    site: Site | None
    above: Float[Tensor, "#batch 1 1"]
    probes: Float[Tensor, "#batch width 1"] | None
    features: Features | None
    numbers: Tensor

    def open_at(self, x: Stream, seen: Mapping[str, Tensor], where: slice) -> Float[Tensor, "batch pos 1"]:
        """Return 1 where a step is made and 0 elsewhere.

        Args:
            x: what the step reads.
            seen: what other sites were in this pass.
            where: the places in the pass that count.
        """
        x = x if self.site is None else seen[str(self.site)].flatten(2)[:, where]
        if self.features is None:
            value = x @ self.probes.to(x)  # type: ignore[union-attr]
        else:
            value = torch.take_along_dim(self.features.codes(x), self.numbers, 2)
        return (value > self.above.to(value)).to(x.dtype)


def stacked_gates(rows: Sequence[Gating | None], like: Tensor) -> Gates | None:
    """Return the gates of all rows; None where there is none. A row without one must change nothing anyway.

    Args:
        rows: gates that have one key; at least one of them there.
        like: has the number type and device of the model.
    """
    (first, *_) = (one for one in rows if one is not None)
    above = torch.tensor([0.0 if one is None else one.gate.above for one in rows], dtype=torch.float64)
    numbers = [0 if one is None or one.gate.part.kind != "feature" else one.gate.part.feature for one in rows]
    probes = None
    if first.probe is not None:
        none = torch.zeros_like(first.probe)
        probes = torch.stack([none if one is None or one.probe is None else one.probe for one in rows])
    return Gates(
        first.site,
        above.to(like)[:, None, None],
        None if probes is None else probes.to(like)[..., None],
        first.features,
        torch.tensor(numbers, device=like.device)[:, None, None],
    )
