"""How a language model is trained further while its activations pass through codebooks."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from mechlab.core.config import Config
from mechlab.training.schedule import fractions_fit

CODES_FASTER = 15


class FinetuneConfig(Config):
    """Settings of the loop; lengths in steps, fractions of the whole run."""

    n_steps: PositiveInt = Field(default=800, description="Optimiser steps.")
    lr: PositiveFloat = Field(default=2e-3, description="Peak learning rate of the model's weights.")
    code_lr: PositiveFloat | None = Field(
        default=None,
        description="Peak learning rate of codes whose numbers spread by 1; it grows with the root of their spread. "
        "Left out: fifteen times lr.",
    )
    lr_warmup_fraction: float = Field(
        default=0.05, ge=0.0, le=1.0, description="Share of the run in which the rate rises."
    )
    lr_decay_fraction: float = Field(
        default=0.7, ge=0.0, le=1.0, description="Share of the run, at its end, in which the rate falls to zero."
    )
    betas: tuple[float, float] = Field(default=(0.9, 0.98), description="Adam's two averages' weights of the past.")
    weight_decay: NonNegativeFloat = Field(default=0.01, description="Of the model's weights; codes have none.")
    grad_clip: PositiveFloat | None = Field(
        default=1.0, description="Largest norm of the gradient of the model's weights; null: any."
    )
    train: Literal["all", "codes"] = Field(
        default="all", description="What learns: codes and the model's weights, or codes only."
    )
    error_weight: NonNegativeFloat = Field(
        default=1.0, description="Weight of the codes' squared error to what they stand for."
    )
    revive_every_steps: PositiveInt | None = Field(
        default=100, description="Steps after which codes that were not chosen are put elsewhere; null: never."
    )
    revive_until: float = Field(default=0.7, ge=0.0, le=1.0, description="Share of the run in which that is done.")
    log_every_steps: PositiveInt = Field(default=50, description="Steps between lines of the log.")
    checkpoint_every_steps: PositiveInt | None = Field(
        default=None, description="Steps between checkpoints; null: none."
    )

    _fractions_fit = field_validator("lr_decay_fraction")(fractions_fit)

    @property
    def rate_of_codes(self) -> float:
        """Peak learning rate of codes of spread 1: by default far above the model's, which they have to follow."""
        return CODES_FASTER * self.lr if self.code_lr is None else self.code_lr
