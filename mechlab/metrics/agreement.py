"""How well predictions agree with measurements: correlation, rank correlation and slope, with intervals.

1. Units, such as edits, are redrawn with replacement; all measurements of a unit go together.
2. Each redraw weighs every pair by how often its unit was drawn.
3. Ranks are taken anew in every redraw, equal values sharing the middle of theirs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.metrics.bootstrap import from_draws, resampled

Pairs = Float64[Tensor, "n_pairs"]
Weights = Float64[Tensor, "n_draws n_pairs"]


@dataclass(frozen=True)
class Agreement:
    """How predictions agree with measurements; a number is None where it is undefined, as if all are equal.

    Attributes:
        pearson: linear correlation.
        spearman: correlation of ranks.
        slope: what is measured per unit predicted, by least squares through zero.
        size: the mean size of what is measured.
    """

    pearson: Estimate | None
    spearman: Estimate | None
    slope: Estimate | None
    size: Estimate | None


def agreement(
    predicted: Float[Tensor, "n_units n_each"], measured: Float[Tensor, "n_units n_each"], *, seed: int = 0
) -> Agreement:
    """Return how predictions agree with measurements, with bootstrap intervals over units.

    Raises:
        UsageError: there are fewer than two units, or none is measured.

    Source: Pearson's and Spearman's coefficients as in any textbook; Efron 1979 (bootstrap).
    """
    if len(predicted) < 2 or not predicted.numel():
        raise UsageError("too few units to compare", value=len(predicted), remedy="Measure at least two.")
    x, y = (one.double().cpu().flatten() for one in (predicted, measured))
    n = len(predicted)
    weights = resampled(torch.eye(n, dtype=torch.float64), seed=seed).repeat_interleave(predicted.shape[1], dim=1)
    found = {
        "pearson": _correlation(x.expand_as(weights), y.expand_as(weights), weights),
        "spearman": _correlation(_ranks(x, weights), _ranks(y, weights), weights),
        "slope": weights @ (x * y) / (weights @ x.square()),
        "size": weights @ y.abs() / weights.sum(-1),
    }
    return Agreement(**{name: from_draws(values, n=n) for name, values in found.items()})


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Return Spearman's correlation of two lists; None where it is undefined, as if all of one are equal.

    Raises:
        UsageError: the lists are not of one length.
    """
    if len(x) != len(y):
        raise UsageError("lists differ in length", value=f"{len(x)} and {len(y)}", remedy="Give pairs.")
    one = torch.ones(1, len(x), dtype=torch.float64)
    first, second = (_ranks(torch.tensor(values, dtype=torch.float64), one) for values in (x, y))
    found = float(_correlation(first, second, one))
    return found if math.isfinite(found) else None


def _correlation(x: Weights, y: Weights, weights: Weights) -> Float64[Tensor, "n_draws"]:
    total = weights.sum(-1, keepdim=True)
    x, y = (one - (weights * one).sum(-1, keepdim=True) / total for one in (x, y))
    along, own = (weights * x * y).sum(-1), (weights * x.square()).sum(-1) * (weights * y.square()).sum(-1)
    return along / own.sqrt()


def _ranks(values: Pairs, weights: Weights) -> Weights:
    """Return the rank of every pair where each stands as often as its weight says."""
    different, place = values.unique(return_inverse=True)
    times = weights.new_zeros(len(weights), len(different)).index_add_(1, place, weights)
    middle = times.cumsum(-1) - times / 2 + 0.5
    return middle[:, place]
