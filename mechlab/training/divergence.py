"""A guard that stops a run whose loss is no longer a loss."""

import math
from typing import Protocol, runtime_checkable

from mechlab.core.errors import TrainingDiverged

MEMORY = 0.99


@runtime_checkable
class Diverging(Protocol):
    """What a message about a diverged run tells of it."""

    step: int
    last_checkpoint: int | None

    @property
    def lr(self) -> float:
        """Learning rate of the step."""
        ...


class LossGuard:
    """The running level of the loss, and the refusal to go on far above it."""

    def __init__(self, factor: float, level: float | None = None) -> None:
        self.factor = factor
        self.level = level

    def check_loss(self, loss: float, run: Diverging) -> None:
        """Take in a step's loss before the update it would cause.

        Raises:
            TrainingDiverged: the loss is not finite, or exceeds `factor` times its level.
        """
        limit = math.inf if self.level is None else self.factor * self.level
        if not math.isfinite(loss) or loss > limit:
            level = "" if self.level is None else f" (its level was {self.level:.4g})"
            raise _diverged(f"loss {loss:.4g}{level}", run)
        self.level = loss if self.level is None else MEMORY * self.level + (1 - MEMORY) * loss

    def check_gradient(self, norm: float, run: Diverging) -> None:
        """Look at a gradient's norm before it is used.

        Raises:
            TrainingDiverged: it is not finite.
        """
        if not math.isfinite(norm):
            raise _diverged(f"gradient norm {norm:.4g}", run)


def _diverged(what: str, run: Diverging) -> TrainingDiverged:
    kept = "no checkpoint was written" if run.last_checkpoint is None else f"checkpoint {run.last_checkpoint} is intact"
    return TrainingDiverged(
        f"training diverged at step {run.step}: {what}; {kept}. Lower lr (now {run.lr:.3g}), raise "
        "lr_warmup_fraction, or look for infinite activations."
    )
