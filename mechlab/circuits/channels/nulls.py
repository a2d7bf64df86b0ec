"""What chance would give: three nulls for component scores, z-scores against each, and which scores are discoveries.

1. `sphere`: writes point anywhere. A squared score has mean `1 / d` and variance `2 (d sum w^2 - 1) / (d^2 (d + 2))`,
   where w are the receiver's squared strengths, of sum one.
2. `upstream`: mean and deviation of all components that a receiver could hear, receiver by receiver.
3. `covariance`: writes are normal with the covariance C of all writes, and of length one. Mean and variance of the
   ratio `v' A v / v' v` are taken to second order.
4. A z-score has a chance by the tail of the receiver's own quadratic form (`tails`).
5. Discoveries: Benjamini and Hochberg's procedure over all scores of all modes together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from scipy.stats import false_discovery_control
from torch import Tensor

from mechlab.circuits.channels.head_circuits import HeadCircuits, Readers
from mechlab.circuits.channels.scores import ChannelScores
from mechlab.circuits.channels.tails import sphere_mean, sphere_sd, upper_tails

Null = Literal["sphere", "upstream", "covariance"]
Scores = Float[Tensor, "n_layers n_heads k n_layers n_heads"]


@dataclass(frozen=True, eq=False)
class Surprise:
    """How far component scores lie above a null, and how rarely chance reaches that; NaN where there is no score.

    Attributes:
        z: standard deviations of the squared score above its mean.
        p: the chance of at least that z.
        q: the share of false discoveries if all with at most this p were reported; of all modes given together.
    """

    z: Scores
    p: Scores
    q: Scores


@dataclass(frozen=True, eq=False)
class _Law:
    """A null for all receivers of one mode: a quadratic form's weights and dimensions, a mean and a deviation."""

    weights: Float[Tensor, "n_receivers k"]
    d: float
    mean: Float[Tensor, "n_receivers"]
    sd: Float[Tensor, "n_receivers"]


@torch.no_grad()
def surprises(circuits: HeadCircuits, scores: Sequence[ChannelScores], null: Null = "sphere") -> list[Surprise]:
    """Return how surprising each score of each mode is under a null.

    Source: the sphere's moments are those of a quadratic form of a uniform direction (Mathai & Provost 1992); Benjamini
    & Hochberg 1995. Merullo, Eickhoff & Pavlick 2024 compare scores without a null.
    """
    found = [_surprise(one, LAWS[null](circuits, one)) for one in scores]
    q = _false_discoveries(torch.stack([p for _, p in found]))
    return [Surprise(z.float(), p, own) for (z, p), own in zip(found, q, strict=True)]


def _surprise(scores: ChannelScores, law: _Law) -> tuple[Tensor, Tensor]:
    shape = scores.component.shape
    squares = scores.component.double().square().reshape(-1, len(law.mean)).T
    z = (squares - law.mean[:, None]) / law.sd[:, None]
    p = upper_tails(law.weights, law.d, z)
    return z.T.reshape(shape), p.T.reshape(shape)


def _false_discoveries(p: Tensor) -> Tensor:
    """Return Benjamini and Hochberg's adjusted values, over all that are numbers."""
    found = torch.full_like(p, torch.nan)
    real = ~p.isnan()
    found[real] = torch.from_numpy(false_discovery_control(p[real].numpy()))
    return found


def _sphere(circuits: HeadCircuits, scores: ChannelScores) -> _Law:
    weights, d = _weights(circuits.readers(scores.mode)), circuits.d_stream
    return _Law(weights, d, sphere_mean(weights, d), sphere_sd(weights, d))


def _upstream(circuits: HeadCircuits, scores: ChannelScores) -> _Law:
    sphere = _sphere(circuits, scores)
    squares = scores.component.double().square().reshape(-1, len(sphere.mean))
    mean = squares.nanmean(0)
    sd = (squares - mean).square().nanmean(0).sqrt()
    return _Law(sphere.weights, sphere.d, mean, sd)


def _covariance(circuits: HeadCircuits, scores: ChannelScores) -> _Law:
    readers, writes = circuits.readers(scores.mode), circuits.ov.write
    spread = torch.einsum("lhdk,lhek->de", writes, writes)
    spread = spread / spread.trace()
    weights = _weights(readers)
    scaled = readers.directions.flatten(0, 1) * weights.sqrt()[:, None]
    through = spread @ scaled
    inner = scaled.mT @ through
    mean, common = inner.diagonal(dim1=1, dim2=2).sum(-1), 2 * through.square().sum((1, 2))
    own, length = 2 * inner.square().sum((1, 2)), 2 * spread.square().sum()
    d = float(2 / length)
    law = mean - common + mean * length, (own - 2 * mean * common + mean**2 * length).clamp(min=0).sqrt()
    return _Law(torch.linalg.eigvalsh(inner).clamp(min=0) * d, d, *law)


LAWS: dict[Null, Callable[[HeadCircuits, ChannelScores], _Law]] = {
    "sphere": _sphere,
    "upstream": _upstream,
    "covariance": _covariance,
}


def _weights(readers: Readers) -> Float[Tensor, "n_receivers k"]:
    squares = readers.strengths.square().flatten(0, 1)
    return squares / squares.sum(-1, keepdim=True)
