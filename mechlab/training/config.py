"""How a dictionary is trained, whatever its kind."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from mechlab.core.config import Config
from mechlab.training.schedule import fractions_fit


class TrainConfig(Config):
    """The training loop's settings; lengths in tokens or steps, fractions of the whole run.

    With `bfloat16` the matrices of large products are rounded, sums and parameters stay in float32: quicker where the
    processor has instructions for it, and another result.
    """

    n_tokens: PositiveInt = Field(default=2_000_000, description="Tokens to train on.")
    batch_size: PositiveInt = Field(default=4096, description="Tokens per step.")
    lr: PositiveFloat = Field(default=3e-4, description="Peak learning rate.")
    lr_warmup_fraction: float = Field(
        default=0.05, ge=0.0, le=1.0, description="Share of the run in which the rate rises."
    )
    lr_decay_fraction: float = Field(
        default=0.2, ge=0.0, le=1.0, description="Share of the run, at its end, in which the rate falls to zero."
    )
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="Adam's two averages' weights of the past.")
    grad_clip: PositiveFloat | None = Field(default=1.0, description="Largest norm of the gradient; null: any.")
    dead_after_tokens: PositiveInt = Field(
        default=500_000, description="Tokens without firing after which a feature is dead."
    )
    normalization: Literal["expected_norm", "none"] = Field(
        default="expected_norm", description="expected_norm scales inputs to a mean norm of sqrt(d_in); or none."
    )
    b_dec_init: Literal["auto", "mean", "geometric_median", "zeros"] = Field(
        default="auto",
        description="Where b_dec starts: mean or geometric_median of the first batch, or zeros; "
        "auto: the mean where it holds most of the batch's energy, else zeros.",
    )
    decoder: Literal["free", "unit"] = Field(
        default="free", description="unit keeps every feature's direction at norm one; or free."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="float32, or bfloat16: large products are rounded."
    )
    explosion_factor: float = Field(
        default=100.0, gt=1.0, description="Stop as diverged when the loss is so many times its running level."
    )
    log_every_steps: PositiveInt = Field(default=50, description="Steps between lines of the log.")
    checkpoint_every_steps: PositiveInt | None = Field(
        default=None, description="Steps between checkpoints; null: none."
    )

    @field_validator("betas")
    @classmethod
    def _averages_forget(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not all(0.0 <= beta < 1.0 for beta in value):
            raise ValueError("both betas lie in [0, 1)")
        return value

    _fractions_fit = field_validator("lr_decay_fraction")(fractions_fit)

    @property
    def n_steps(self) -> int:
        """Number of optimiser steps: whole batches that fit into `n_tokens`, at least one."""
        return max(1, self.n_tokens // self.batch_size)
