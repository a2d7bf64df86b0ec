"""Intervals by redrawing rows: a row of tokens is the independent unit, the tokens within it are not.

1. A metric keeps, per row, the sums its value is made of (a ratio of sums keeps two).
2. The rows are redrawn with replacement; each redraw gives new totals.
3. The metric's own formula turns each set of totals into a value.
4. The interval runs from the 2.5th to the 97.5th percentile of these values.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.core.randomness import numpy_generator

Sums = Float64[Tensor, "n_rows n_sums"]
Totals = Float64[Tensor, "n_draws n_sums"]
Values = Float64[Tensor, "n_draws"]

N_RESAMPLES = 1000
MAX_UNDEFINED_SHARE = 0.05
_ROWS_TIMES_DRAWS = 4_000_000


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


def resampled(sums: Sums, *, seed: int = 0, n_resamples: int = N_RESAMPLES) -> Totals:
    """Return the observed totals (first) and the totals of `n_resamples` redraws of the rows."""
    generator, n_rows = numpy_generator(seed, "bootstrap"), len(sums)
    parts, left = [sums.sum(0, keepdim=True)], n_resamples
    while left:
        n_draws = min(left, max(1, _ROWS_TIMES_DRAWS // n_rows))
        times_drawn = generator.multinomial(n_rows, np.full(n_rows, 1 / n_rows), size=n_draws)
        parts.append(torch.from_numpy(times_drawn).double() @ sums)
        left -= n_draws
    return torch.cat(parts)


def from_draws(values: Values, *, n: int, unit: str = "") -> Estimate | None:
    """Return the estimate whose value stands first and whose redraws follow.

    Returns:
        None where the value is not a finite number, or more than 5 % of its redraws are not.
    """
    value, draws = values[0].item(), values[1:]
    finite = draws[draws.isfinite()]
    if not np.isfinite(value) or len(finite) < (1 - MAX_UNDEFINED_SHARE) * len(draws):
        return None
    low, high = np.percentile(finite.numpy(), [2.5, 97.5])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n, unit=unit)
