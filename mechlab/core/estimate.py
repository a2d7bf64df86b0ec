"""An estimate: a number never stands without its count and its interval."""

from mechlab.core.config import Config


class Estimate(Config):
    """A measured value with the 95 % bootstrap interval, the number of independent samples, and the unit."""

    value: float
    low: float
    high: float
    n: int
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] {self.unit}".rstrip() + f" (n={self.n})"
