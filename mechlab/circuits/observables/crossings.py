"""Where an MLP's output along a direction crosses zero between two points: where to linearise it.

1. Along the segment what enters the neurons is `(a + t b) / s(t) + c`: a line, over the norm's divisor, whose square is
   a parabola. So two points are read once, and every further t costs a sum over neurons.
2. The zero along t is bracketed and cut down (`zeros`).

Source: Observable Propagation (arXiv 2312.16291), whose linearisation point it is, there found by an optimiser. We
take segments in front of the MLP's norm, where there is one.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from mechlab.circuits.observables.mlp_slopes import ReadMlp
from mechlab.circuits.observables.reading_norms import ReadingNorm
from mechlab.circuits.observables.zeros import zeros
from mechlab.core.errors import UsageError

Points = Float[Tensor, "n d_model"]


@dataclass(frozen=True, eq=False)
class Crossing:
    """Points on segments, each where a value is zero, or nearest to it.

    Attributes:
        t: how far along, from 0 at the first end to 1 at the second.
        points: the points themselves.
        values: what is left of the value there.
        crosses: whether the sign changes on the segment; without, it is the point where the value is nearest to zero.
    """

    t: Float64[Tensor, "n"]
    points: Points
    values: Float64[Tensor, "n"]
    crosses: Bool[Tensor, "n"]


@torch.no_grad()
def crossing(
    mlp: ReadMlp,
    norm: ReadingNorm | None,
    direction: Float[Tensor, "d_model"],
    ends: tuple[Points, Points],
    *,
    tolerance: float = 0.0,
) -> Crossing:
    """Return where `direction . MLP(norm(x))` is zero between pairs of points x.

    Args:
        mlp: the MLP.
        norm: in front of it; None if the points are what the MLP itself reads.
        direction: of what it writes.
        ends: of the segments.
        tolerance: stop once all values are at most so far from zero; 0 goes on as far as numbers can tell.

    Raises:
        UsageError: a point is not finite, or both of a pair are one.

    Source: Observable Propagation (arXiv 2312.16291), the point x* of an MLP.
    """
    low, high = ends
    if not bool((low.isfinite() & high.isfinite()).all()) or bool((low == high).all(-1).any()):
        remedy = "Give two different finite points for each segment."
        raise UsageError("segment has no two ends", value=f"one of {len(low)}", remedy=remedy)
    found = zeros(SegmentValues(mlp, norm, direction, ends), len(low), tolerance)
    points = low + found.t[:, None].to(low) * (high - low)
    return Crossing(found.t, points, found.values, found.crosses)


class SegmentValues:
    """Values of an MLP's output along a direction, on segments: its matrices are multiplied when this is made."""

    def __init__(
        self, mlp: ReadMlp, norm: ReadingNorm | None, direction: Float[Tensor, "d_model"], ends: tuple[Points, Points]
    ) -> None:
        own, way = mlp.weights, torch.stack([ends[0], ends[1] - ends[0]])
        self._mlp, self._eps = mlp, None if norm is None else norm.eps
        way = way if norm is None else norm.centred(way)
        self._square = torch.stack([(way[0] ** 2).mean(-1), 2 * (way[0] * way[1]).mean(-1), (way[1] ** 2).mean(-1)])
        self._square = self._square.double().cpu()[..., None]
        rows = way.flatten(0, 1)
        if norm is not None:  # its shift goes through the matrices beside the points, so that each is read once
            rows = torch.cat([rows * norm.gain.to(way), norm.bias.to(way)[None]])
        matrices = [own.W_in] if own.W_gate is None else [own.W_gate, own.W_in]
        entering = [(rows @ matrix.to(way)).double().cpu() for matrix in matrices]
        n_points = 2 * way.shape[1]
        self._lines = [one[:n_points].unflatten(0, (2, -1)) for one in entering]
        self._constants = [one[n_points:].sum(0, keepdim=True) for one in entering]
        self._constants[-1] = self._constants[-1] + own.b_in.double().cpu()
        self._on_neurons = (own.W_out.to(way) @ direction.to(way)).double().cpu()
        self._on_bias = float(own.b_out.double() @ direction.double())

    def __call__(self, t: Float64[Tensor, "n k"]) -> Float64[Tensor, "n k"]:
        """Return the values at k places of each segment."""
        divisor = self._divisor(t)
        entering = [
            torch.addcmul(line[0][:, None], t[..., None], line[1][:, None]) / divisor + constant
            for line, constant in zip(self._lines, self._constants, strict=True)
        ]
        neurons = self._mlp.neurons(entering[0], entering[1] if len(entering) > 1 else None)
        return neurons @ self._on_neurons + self._on_bias

    def _divisor(self, t: Float64[Tensor, "n k"]) -> Float64[Tensor, "n k 1"] | float:
        if self._eps is None:
            return 1.0
        first, second, third = self._square
        return ((first + t * second + t**2 * third).clamp(min=0) + self._eps).sqrt()[..., None]
