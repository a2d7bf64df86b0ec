"""What is read off the first batch, which is then trained on like any other: scales and the decoder bias."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.scales import Scales

MEDIAN_ITERATIONS = 100
MEDIAN_TOLERANCE = 1e-6
MOST = 0.5


def expected_norm_scale(rows: Float[Tensor, "batch width"]) -> float:
    """Return the factor that brings the rows' mean norm to `sqrt(width)`; 1 if all rows are zero.

    Source: Anthropic, "Update on how we train SAEs" (April 2024).
    """
    mean_norm = rows.float().norm(dim=-1).double().mean().item()
    return math.sqrt(rows.shape[1]) / mean_norm if mean_norm > 0 else 1.0


def refuse_other_widths(dictionary: Dictionary, inputs: Tensor, targets: Tensor) -> None:
    """Refuse vectors that are not as wide as the dictionary.

    Raises:
        UsageError: what it is to read or rebuild has another width; the message says which and both widths.
    """
    config = dictionary.config
    for name, found, wanted in (("input", inputs, config.d_in), ("target", targets, config.width_out)):
        if found.shape[1] != wanted:
            remedy = f"The dictionary was made for {wanted}; a target that is not the input needs d_out."
            raise UsageError(f"{name} has another width than the dictionary", value=found.shape[1], remedy=remedy)


def scales(inputs: Tensor, targets: Tensor, config: TrainConfig, n_parts: int = 1) -> Scales:
    """Return the factors for inputs and targets, one for each of as many equal parts."""
    if config.normalization == "none":
        return Scales((1.0,) * n_parts, (1.0,) * n_parts)
    of_inputs = tuple(expected_norm_scale(part) for part in inputs.chunk(n_parts, dim=1))
    if targets is inputs:
        return Scales(of_inputs, of_inputs)
    return Scales(of_inputs, tuple(expected_norm_scale(part) for part in targets.chunk(n_parts, dim=1)))


@torch.no_grad()
def start_b_dec(dictionary: Dictionary, targets: Float[Tensor, "batch d_out"], config: TrainConfig) -> None:
    """Set the decoder bias to the batch's centre, if asked or if that is most of what is to be rebuilt.

    A mean that is small holds what the codes are on average, which they then have to unlearn; where vectors share a
    large offset, features are found far better once it is subtracted.
    """
    start = config.b_dec_init
    if start == "mean" or (start == "auto" and energy_of_mean(targets) > MOST):
        dictionary.b_dec.copy_(targets.mean(0))
    elif start == "geometric_median":
        dictionary.b_dec.copy_(geometric_median(targets))


def energy_of_mean(rows: Float[Tensor, "batch width"]) -> float:
    """Return which part of the rows' mean squared norm is their mean's; 0 if all rows are zero."""
    whole = rows.square().sum(-1).double().mean().item()
    return rows.mean(0).square().sum().item() / whole if whole > 0 else 0.0


def geometric_median(rows: Float[Tensor, "batch width"]) -> Float[Tensor, "width"]:
    """Return the point with the least sum of distances to the rows, by Weiszfeld's iteration."""
    centre = rows.mean(0)
    for _ in range(MEDIAN_ITERATIONS):
        weights = 1.0 / (rows - centre).norm(dim=-1).clamp(min=1e-12)
        moved = weights @ rows / weights.sum()
        if (moved - centre).norm() <= MEDIAN_TOLERANCE * centre.norm():
            return moved
        centre = moved
    return centre
