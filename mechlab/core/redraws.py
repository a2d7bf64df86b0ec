"""Redraws of independent units with replacement, and the interval that a statistic's values over them span."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.core.randomness import numpy_generator

Values = Float64[Tensor, "n_draws"]
Draws = Float64[Tensor, "some_draws n_units"]

N_RESAMPLES = 1000
MAX_UNDEFINED_SHARE = 0.05
_RESAMPLES_AT_ONCE = 50


def redraws(n_units: int, seed: int = 0) -> Iterator[Draws]:
    """Yield how often each of 1,000 redraws draws each unit, 50 redraws at a time."""
    generator = numpy_generator(seed, "bootstrap")
    for _ in range(N_RESAMPLES // _RESAMPLES_AT_ONCE):
        drawn = generator.multinomial(n_units, np.full(n_units, 1 / n_units), size=_RESAMPLES_AT_ONCE)
        yield torch.from_numpy(drawn).double()


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
