"""How a dictionary is trained, whatever its kind."""

from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from mechlab.core.config import Config


class TrainConfig(Config):
    """The training loop's settings; lengths in tokens or steps, fractions of the whole run.

    A feature is dead once it has not fired for `dead_after_tokens`. With `expected_norm` inputs are scaled to a mean
    norm of `sqrt(d_in)`. A `unit` decoder keeps every feature's direction at norm one. Training stops as diverged
    when the loss is not finite or exceeds `explosion_factor` times its running level. With `bfloat16` the matrices of
    large products are rounded, sums and parameters stay in float32: quicker where the processor has instructions for
    it, and another result.
    """

    n_tokens: PositiveInt = 2_000_000
    batch_size: PositiveInt = 4096
    lr: PositiveFloat = 3e-4
    lr_warmup_fraction: float = Field(default=0.05, ge=0.0, le=1.0)
    lr_decay_fraction: float = Field(default=0.2, ge=0.0, le=1.0)
    betas: tuple[float, float] = (0.9, 0.999)
    grad_clip: PositiveFloat | None = 1.0
    dead_after_tokens: PositiveInt = 500_000
    normalization: Literal["expected_norm", "none"] = "expected_norm"
    b_dec_init: Literal["mean", "geometric_median", "zeros"] = "mean"
    decoder: Literal["free", "unit"] = "free"
    precision: Literal["float32", "bfloat16"] = "float32"
    explosion_factor: float = Field(default=100.0, gt=1.0)
    log_every_steps: PositiveInt = 50
    checkpoint_every_steps: PositiveInt | None = None

    @field_validator("betas")
    @classmethod
    def _averages_forget(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not all(0.0 <= beta < 1.0 for beta in value):
            raise ValueError("both betas lie in [0, 1)")
        return value

    @field_validator("lr_decay_fraction")
    @classmethod
    def _fractions_fit(cls, value: float, info: Any) -> float:
        if value + info.data.get("lr_warmup_fraction", 0.0) > 1.0:
            raise ValueError("warm-up and decay together are at most the whole run")
        return value

    @property
    def n_steps(self) -> int:
        """Number of optimiser steps: whole batches that fit into `n_tokens`, at least one."""
        return max(1, self.n_tokens // self.batch_size)
