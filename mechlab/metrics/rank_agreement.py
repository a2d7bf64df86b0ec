"""How well a number for each part of a model ranks the parts by what they do in prompts: no sign, an interval."""

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.redraws import from_draws
from mechlab.metrics.agreement import rank_correlation
from mechlab.metrics.bootstrap import resampled


def rank_agreement(
    predicted: Float[Tensor, "n_parts"], scores: Float[Tensor, "n n_parts"], *, seed: int = 0
) -> Estimate | None:
    """Return Spearman's correlation of predictions with the mean sizes of parts' scores; prompts are redrawn.

    Sizes are taken prompt by prompt, so that a part that helps in one prompt what it harms in the next does count.

    Args:
        predicted: a number for each part.
        scores: what each part is worth in each prompt, with its sign.
        seed: of the redraws.

    Returns:
        None where it is undefined, as if all parts are predicted alike.

    Raises:
        UsageError: there is no prompt, or there are fewer than two parts.

    Source: Spearman's coefficient as in any textbook; Efron 1979 (bootstrap).
    """
    if len(scores) < 1 or len(predicted) < 2:
        remedy = "Give a prompt and two parts at least."
        raise UsageError("nothing to rank", value=f"{len(scores)} and {len(predicted)}", remedy=remedy)
    sizes = resampled(scores.double().cpu().abs(), seed=seed)
    found = [rank_correlation(predicted.tolist(), one) for one in sizes.tolist()]
    draws = torch.tensor([float("nan") if one is None else one for one in found], dtype=torch.float64)
    return from_draws(draws, n=len(scores))
