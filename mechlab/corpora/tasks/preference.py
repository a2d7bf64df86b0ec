"""How much logits prefer the right candidates of each prompt; differentiable, so that circuits can ask for causes."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def logit_difference(
    logits: Float[Tensor, "n d_vocab"],
    candidates: Int[Tensor, "n n_candidates"],
    is_right: Bool[Tensor, "n n_candidates"],
) -> Float[Tensor, "n"]:
    """Return each prompt's mean logit of the right candidates minus that of the wrong ones, in nats; differentiable.

    Source: Wang et al. 2022, section 2 (one right and one wrong name); with several, their mean.
    """
    asked = logits.gather(1, candidates)
    return _mean_where(asked, is_right) - _mean_where(asked, ~is_right)


def probability_difference(
    logits: Float[Tensor, "n d_vocab"],
    candidates: Int[Tensor, "n n_candidates"],
    is_right: Bool[Tensor, "n n_candidates"],
) -> Float[Tensor, "n"]:
    """Return each prompt's probability of the right candidates together minus that of the wrong ones; differentiable.

    Source: Hanna et al. 2023, section 3: the sum over later years minus the sum over the others.
    """
    asked = logits.softmax(-1).gather(1, candidates)
    return torch.where(is_right, asked, -asked).sum(1)


def _mean_where(values: Float[Tensor, "n n_values"], counts: Bool[Tensor, "n n_values"]) -> Float[Tensor, "n"]:
    return values.masked_fill(~counts, 0.0).sum(1) / counts.sum(1)
