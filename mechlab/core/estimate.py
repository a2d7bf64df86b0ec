"""An estimate: a number never stands without its count and its interval."""

from pydantic import Field, model_validator

from mechlab.core.config import Config


class Estimate(Config):
    """A measured value with the 95 % bootstrap interval, the number of independent samples, and the unit."""

    value: float
    low: float
    high: float
    n: int = Field(ge=0)
    unit: str = ""

    @model_validator(mode="after")
    def _is_interval(self) -> "Estimate":
        if self.low > self.high:
            raise ValueError(f"an interval runs upwards, not from {self.low:g} to {self.high:g}")
        return self

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] {self.unit}".rstrip() + f" (n={self.n})"
