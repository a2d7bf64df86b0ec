"""The same measurement under several seeds: their mean, and how far other seeds may lie from it."""

import math
from collections.abc import Sequence

from scipy.stats import t as student

from mechlab.core.estimate import Estimate

COVERAGE = 0.95


def over_seeds(values: Sequence[float], unit: str = "") -> Estimate:
    """Return the mean of one value per seed with its 95 % interval; `n` is the number of seeds.

    The interval is Student's, `mean ± t(n - 1) · s / sqrt(n)`, since seeds are few. One seed says nothing about others:
    its interval is the value alone.
    """
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(value=mean, low=mean, high=mean, n=1, unit=unit)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    reach = float(student.ppf(0.5 + COVERAGE / 2, n - 1)) * spread / math.sqrt(n)
    return Estimate(value=mean, low=mean - reach, high=mean + reach, n=n, unit=unit)
