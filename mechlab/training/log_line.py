"""One line of the training log: what a step's batch says about the run."""

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.dictionaries.dictionary import Losses
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.training.run import TrainingRun


def log_line(run: TrainingRun, losses: Losses, targets: Float[Tensor, "batch d_out"], lr: float) -> dict[str, float]:
    """Return step, tokens, learning rate, loss and its parts, L0, explained variance and dead share after a step.

    Loss, L0 and explained variance are those of the step's own batch before its update, in scaled units.
    """
    return {
        "step": run.step,
        "tokens": run.tokens,
        "lr": lr,
        "loss": losses.total.item(),
        **{f"loss_{name}": part.item() for name, part in losses.parts.items()},
        "l0": losses.l0.item(),
        "explained_variance": explained_variance(losses.reconstruction, targets, run.crew),
        "dead_share": run.crew.dead_share(run.dead),
    }


@torch.no_grad()
def explained_variance(
    reconstruction: Float[Tensor, "batch d_out"], targets: Float[Tensor, "batch d_out"], crew: Crew = ONE
) -> float:
    """Return 1 minus squared error over squared distance from the batch mean; 0 where all targets are the same."""
    mean = crew.sum_of_shares(targets.mean(0)) / crew.n_row_shares
    spread = crew.sum_of_shares((targets - mean).square().sum(dtype=torch.float64))
    error = crew.sum_of_shares((reconstruction - targets).square().sum(dtype=torch.float64))
    return (1 - error / spread).item() if spread > 0 else 0.0
