"""The jump at a learned threshold, and its straight-through gradient.

A jump has no useful derivative; its estimate is the jump's height over the bandwidth, inside a window of that width
around the threshold. Few pre-activations lie in the window, so only those are looked at a second time.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Jump(torch.autograd.Function):
    """Codes above their threshold, and how many of each row there are (of single entries, whether each is one).

    With `to_input` the estimate, negated, reaches the pre-activations too. Thresholds are not negative.
    """

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, bandwidth: float, to_input: bool) -> tuple[Tensor, Tensor]:
        """Return the codes and the counts."""
        on = pre > threshold
        codes = pre * on
        ctx.save_for_backward(pre, threshold, codes)
        ctx.bandwidth, ctx.to_input = bandwidth, to_input
        return codes, (on.sum(-1) if pre.ndim == 2 else on).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, grad_codes: Tensor, grad_counts: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of pre-activations and thresholds."""
        pre, threshold, codes = ctx.saved_tensors
        places = ((pre - threshold).abs_() < ctx.bandwidth / 2).flatten().nonzero().squeeze(1)
        n_features = threshold.numel()
        columns = places % n_features
        counted = grad_counts[places // pre.shape[-1]] if pre.ndim == 2 else grad_counts[places]
        estimate = (torch.take(grad_codes, places) * threshold[columns] + counted) / ctx.bandwidth
        grad_threshold = _sums(-estimate, columns, threshold)
        grad_pre = torch.ops.aten.threshold_backward(grad_codes, codes, 0.0)
        if ctx.to_input:
            grad_pre.view(-1).index_add_(0, places, estimate)
        return grad_pre, grad_threshold, None, None


def jumped_and_on(
    pre: Float[Tensor, "*entries"], threshold: Float[Tensor, "d_sae"], bandwidth: float, to_input: bool
) -> tuple[Float[Tensor, "*entries"], Float[Tensor, "n"]]:
    """Return pre-activations where they exceed the threshold, zero elsewhere, and how many of each row do.

    Args:
        pre: [batch, d_sae]; or single entries, each with a threshold of its own, whose count is one or zero.
        threshold: by feature, or by entry.
        bandwidth: width of the window.
        to_input: whether the estimated gradient reaches the pre-activations.
    """
    return Jump.apply(pre, threshold, bandwidth, to_input)  # type: ignore[return-value]


def _sums(values: Float[Tensor, "n"], columns: Int[Tensor, "n"], like: Tensor) -> Tensor:
    """Return for each place of `like` the sum of the values that belong there, added in a fixed order."""
    zeros = torch.zeros_like(like)
    if values.is_cuda:  # where index_add_ adds in any order
        return zeros.index_put_((columns,), values, accumulate=True)
    return zeros.index_add_(0, columns, values)
