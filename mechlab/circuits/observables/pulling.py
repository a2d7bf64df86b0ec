"""A direction of the stream behind a part of the model, handed back to the stream in front of it.

1. A head: `W_V W_O y`, times how much it looks where it reads, if that is asked for. All heads of a layer: their sum.
2. An MLP: the gradient of `y . MLP(x)` at a point x, or where it crosses zero between two points.
3. Then through the norm in front (`reading_norms`). Where the stream passes beside the part, y itself is added.

Source: Observable Propagation (arXiv 2312.16291; ICML 2024), section 2. RMSNorm, gates and grouped queries are ours.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.observables.crossings import Crossing, crossing
from mechlab.circuits.observables.mlp_slopes import ReadMlp
from mechlab.circuits.observables.parts import Parts
from mechlab.circuits.observables.reading_norms import How, ReadingNorm
from mechlab.circuits.observables.stops import LOGITS, Stop
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.models.weights import LayerWeights

Vectors = Float[Tensor, "*lead d_model"]


class NormRules(Config):
    """How norms are handed back through, by what reads behind them; see `reading_norms`."""

    heads: How = "exact"
    mlps: How = "exact"
    final: How = "exact"

    @staticmethod
    def all(how: How) -> "NormRules":
        """Return one way for all norms."""
        return NormRules(heads=how, mlps=how, final=how)

    def of(self, stop: Stop) -> How:
        """Return the way for the norm in front of a stop."""
        if stop.kind == "mlp":
            return self.mlps
        return self.final if stop.kind == LOGITS else self.heads


@dataclass(frozen=True, eq=False)
class StopPoint:
    """Where a part is linearised.

    Attributes:
        stream: in front of its norm.
        between: for MLPs, instead of `stream`: two points of the stream; it is linearised where it crosses zero.
        attention: how much its heads look where they read, one number a head; None leaves the pattern out.
    """

    stream: Vectors | None = None
    between: tuple[Float[Tensor, "d_model"], Float[Tensor, "d_model"]] | None = None
    attention: Float[Tensor, "*lead n_heads_here"] | None = None


NOWHERE = StopPoint()


@dataclass(frozen=True, eq=False)
class Pulled:
    """A direction on both sides of a part.

    Attributes:
        stop: the part.
        written: of what the part writes.
        read: of what it reads, behind its norm: a feature's score is its product with that.
        stream: of the stream in front.
        crossing: where an MLP was linearised, if that was looked for.
    """

    stop: Stop
    written: Vectors
    read: Vectors
    stream: Vectors
    crossing: Crossing | None = None

    @property
    def read_norm(self) -> Float[Tensor, "*lead"]:
        """Return how long `read` is: how much the part could move the observable, before any prompt is seen."""
        return self.read.norm(dim=-1)

    @property
    def stream_norm(self) -> Float[Tensor, "*lead"]:
        """Return how long `stream` is: the same with the norm's gain and divisor."""
        return self.stream.norm(dim=-1)


@torch.no_grad()
def pulled_through(
    parts: Parts, direction: Vectors, stop: Stop, point: StopPoint = NOWHERE, rules: NormRules | None = None
) -> Pulled:
    """Return a direction of what a part writes, handed back to the stream in front of the part.

    Args:
        parts: of the model.
        direction: of the stream behind the part; for `logits`, of what the unembedding reads.
        stop: the part.
        point: where it is linearised.
        rules: how norms are handed back through; None is exactly.

    Raises:
        UsageError: a point is needed and not there.

    Source: Observable Propagation (arXiv 2312.16291), section 2.
    """
    norm, found, stream = parts.norm(stop.norm), None, point.stream
    if stop.kind == LOGITS:
        read = direction
    elif stop.kind == "mlp":
        mlp = parts.mlp(stop.layer)
        if point.between is not None:
            found = _crossing(mlp, norm, direction, point.between)
            stream = found.points[0]
        read = mlp.pulled(direction, norm(_at(stop, stream).to(direction)))
    else:
        read = through_heads(parts.weights.layers[stop.layer], direction, stop.number, point.attention)
    pulled = norm.pulled(read, stream, (rules or NormRules()).of(stop))
    return Pulled(stop, direction, read, pulled + direction if stop.beside else pulled, found)


def through_heads(
    weights: LayerWeights,
    direction: Vectors,
    number: int | None = None,
    attention: Float[Tensor, "*lead n_heads_here"] | None = None,
) -> Vectors:
    """Return what a head, or all heads of a layer together, read behind their norm along a direction they write."""
    own = slice(None) if number is None else slice(number, number + 1)
    values = torch.einsum("...d,hed->...he", direction, weights.W_O[own].to(direction))
    if attention is not None:
        values = values * attention[..., None].to(values)
    return torch.einsum("...he,hde->...d", values, weights.W_V[own].to(direction))


def _crossing(mlp: ReadMlp, norm: ReadingNorm, direction: Tensor, between: tuple[Tensor, Tensor]) -> Crossing:
    if direction.ndim != 1:
        value, remedy = list(direction.shape), "Hand them back one by one."
        raise UsageError("a crossing is looked for along one direction at a time", value=value, remedy=remedy)
    low, high = (one.to(direction)[None] for one in between)
    return crossing(mlp, norm, direction, (low, high))


def _at(stop: Stop, stream: Tensor | None) -> Tensor:
    if stream is None:
        remedy = "Give the stream in front of it, or two points to look for a crossing between."
        raise UsageError("MLP is linearised at no point", value=stop.name, remedy=remedy)
    return stream
