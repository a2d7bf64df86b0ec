"""The jump at a learned threshold, and its straight-through gradient."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class Jump(torch.autograd.Function):
    """Codes above their threshold (`valued`) or one for each of them, with the estimated gradient of the threshold.

    A jump has no useful derivative; its estimate is the jump's height over the bandwidth, inside a window of that
    width around the threshold. With `to_input` the same estimate, negated, reaches the pre-activations.
    """

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, bandwidth: float, to_input: bool, valued: bool) -> Tensor:
        """Return the codes, or ones where they are on."""
        ctx.save_for_backward(pre, threshold)
        ctx.bandwidth, ctx.to_input, ctx.valued = bandwidth, to_input, valued
        on = pre > threshold
        return pre * on if valued else on.to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of pre-activations and thresholds."""
        pre, threshold = ctx.saved_tensors
        inside = ((pre - threshold) / ctx.bandwidth).abs() < 0.5
        height = threshold if ctx.valued else 1.0
        estimate = grad * inside * (height / ctx.bandwidth)
        grad_pre = grad * (pre > threshold) if ctx.valued else None
        if ctx.to_input:
            grad_pre = estimate if grad_pre is None else grad_pre + estimate
        return grad_pre, -estimate.sum(0), None, None, None


def jumped(
    pre: Float[Tensor, "batch d_sae"], threshold: Float[Tensor, "d_sae"], bandwidth: float, to_input: bool
) -> Float[Tensor, "batch d_sae"]:
    """Return pre-activations where they exceed the threshold, zero elsewhere."""
    return Jump.apply(pre, threshold, bandwidth, to_input, True)  # type: ignore[return-value]


def switched_on(
    pre: Float[Tensor, "batch d_sae"], threshold: Float[Tensor, "d_sae"], bandwidth: float, to_input: bool
) -> Float[Tensor, "batch d_sae"]:
    """Return one where pre-activations exceed the threshold, zero elsewhere."""
    return Jump.apply(pre, threshold, bandwidth, to_input, False)  # type: ignore[return-value]
