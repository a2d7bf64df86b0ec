"""Intervals by redrawing rows: a row of tokens is the independent unit, the tokens within it are not.

1. A metric keeps, per row, the sums its value is made of (a ratio of sums keeps two).
2. The rows are redrawn with replacement; each redraw gives new totals.
3. The metric's own formula turns each set of totals into a value.
4. The interval runs from the 2.5th to the 97.5th percentile of these values.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.core.redraws import N_RESAMPLES, Draws, Values, from_draws, redraws

Sums = Float64[Tensor, "n_rows n_sums"]
Totals = Float64[Tensor, "n_draws n_sums"]

_MAX_KEPT = 10_000_000


def estimate(sums: Sums, statistic: Callable[[Totals], Values], *, unit: str = "", seed: int = 0) -> Estimate | None:
    """Return a statistic of the totals with its bootstrap interval over rows, or None where it is undefined.

    Args:
        sums: what each row contributes.
        statistic: the metric's formula, applied to many sets of totals at once.
        unit: what the value is counted in.
        seed: equal seeds redraw equal rows, so metrics of the same rows are paired.
    """
    return from_draws(statistic(resampled(sums, seed=seed)), n=len(sums), unit=unit)


def ratio(totals: Totals) -> Values:
    """Return the first sum over the second: the statistic of every mean."""
    return totals[:, 0] / totals[:, 1]


def mean_estimate(values: Values, *, unit: str = "", seed: int = 0) -> Estimate | None:
    """Return the mean of one value a row with its bootstrap interval, or None where it is not finite."""
    return estimate(torch.stack([values, torch.ones_like(values)], dim=1), ratio, unit=unit, seed=seed)


def resampled(sums: Sums, *, seed: int = 0) -> Totals:
    """Return the observed totals (first) and the totals of 1,000 redraws of the rows."""
    redrawn = [times_drawn @ sums for times_drawn in _redraws(len(sums), seed)]
    return torch.cat([sums.sum(0, keepdim=True), *redrawn])


def _redraws(n_rows: int, seed: int) -> Iterable[Draws]:
    """Return how often each redraw draws each row; kept for the next metric of as many rows where they are few."""
    return _kept_redraws(n_rows, seed) if n_rows * N_RESAMPLES <= _MAX_KEPT else redraws(n_rows, seed)


@lru_cache(maxsize=2)
def _kept_redraws(n_rows: int, seed: int) -> tuple[Draws, ...]:
    return tuple(redraws(n_rows, seed))
