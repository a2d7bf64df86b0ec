"""Directions side by side: their cosines, and the cosines that chance alone gives at this width.

1. Null: one direction is drawn evenly from the sphere of d dimensions. The cosine with any other has mean 0 and
   standard deviation `1 / sqrt(d)`; its square is a beta variable with 1/2 and (d - 1)/2.
2. The mean size of such a cosine is `G(d/2) / (sqrt(pi) G((d + 1)/2))`, G being the gamma function.
3. p of a pair: how rarely chance gives a cosine of at least this size. Reported for n pairs, chance has n tries: q is n
   times p, at most 1 (Bonferroni).

Directions fitted on the activations of one site share their spread, which is narrower than a sphere: the null is that
they have nothing in common, not that they were fitted on something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, pi, sqrt

import torch
from jaxtyping import Float64
from scipy.special import betaincc
from torch import Tensor

from mechlab.circuits.directions.direction import Direction
from mechlab.core.errors import UsageError


@dataclass(frozen=True, eq=False)
class CosineTable:
    """Cosines between directions, beside chance.

    Attributes:
        names: of the directions, in order.
        cosines: of every pair.
        p: how rarely chance gives a cosine of at least this size; 0 on the diagonal.
        q: p times the number of pairs, at most 1.
        d: dimensions that chance draws from.
        expected: the mean size of a cosine that chance gives.
        deviation: the standard deviation of a cosine that chance gives.
    """

    names: tuple[str, ...]
    cosines: Float64[Tensor, "n n"]
    p: Float64[Tensor, "n n"]
    q: Float64[Tensor, "n n"]
    d: int
    expected: float
    deviation: float


def compare_directions(directions: Sequence[Direction], d_stream: int | None = None) -> CosineTable:
    """Return the cosines between directions, and how surprising each is.

    Args:
        directions: two at least, of one width; sites may differ, as along the residual stream.
        d_stream: dimensions that chance draws from; None is the width. One less where all that matters is centred.

    Raises:
        UsageError: there are fewer than two, they are of different models or widths, or the dimensions are not theirs.

    Source: the law of a uniform direction's square is classical (Mathai & Provost 1992).
    """
    _refuse_unlike(directions)
    width = len(directions[0].vector)
    d = width if d_stream is None else d_stream
    if not 2 <= d <= width:
        raise UsageError("chance has no such dimensions", value=d, remedy=f"Take 2 to {width}.")
    vectors = torch.stack([one.vector.double() for one in directions])
    cosines = (vectors @ vectors.T).clamp(-1, 1)
    p = torch.from_numpy(betaincc(0.5, (d - 1) / 2, cosines.square().numpy()))
    p = torch.where(torch.eye(len(p), dtype=torch.bool), 0.0, p)
    n_pairs = len(p) * (len(p) - 1) // 2
    names = tuple(one.name for one in directions)
    return CosineTable(names, cosines, p, (n_pairs * p).clamp(max=1), d, expected_cosine(d), 1 / sqrt(d))


def expected_cosine(d: int) -> float:
    """Return the mean size of the cosine between directions drawn from a sphere of d dimensions."""
    return exp(lgamma(d / 2) - lgamma((d + 1) / 2)) / sqrt(pi)


def _refuse_unlike(directions: Sequence[Direction]) -> None:
    if len(directions) < 2:
        raise UsageError("nothing to compare", value=len(directions), remedy="Give two directions at least.")
    widths = sorted({len(one.vector) for one in directions})
    if len(widths) > 1:
        remedy = "Compare those of sites that are equally wide."
        raise UsageError("directions differ in width", value=widths, remedy=remedy)
    if len({one.facts.model for one in directions} - {""}) > 1:
        remedy = "Coordinates of two models have nothing to do with each other."
        raise UsageError("directions are of different models", value=directions[0].name, remedy=remedy)
