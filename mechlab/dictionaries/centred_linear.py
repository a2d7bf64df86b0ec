"""The encoder's linear map, whose bias gradients cost a matrix-vector product instead of a matrix product."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class CentredLinear(torch.autograd.Function):
    """`(x - centre) @ weight.T + bias`; the gradient of `centre` follows from the bias's: `-grad_bias @ weight`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, centre: Tensor | None) -> Tensor:
        """Return the pre-activations, keeping the centred input for the backward pass."""
        centred = x if centre is None else x - centre
        ctx.save_for_backward(centred, weight)
        return torch.addmm(bias, centred, weight.T)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of input, weight, bias and centre."""
        centred, weight = ctx.saved_tensors
        wants_x, wants_weight, _, wants_centre = ctx.needs_input_grad
        grad_bias = grad.sum(0)
        grad_x = grad @ weight if wants_x else None
        grad_weight = grad.T @ centred if wants_weight else None
        return grad_x, grad_weight, grad_bias, -(grad_bias @ weight) if wants_centre else None


def centred_linear(
    x: Float[Tensor, "batch d_in"],
    weight: Float[Tensor, "d_sae d_in"],
    bias: Float[Tensor, "d_sae"],
    centre: Float[Tensor, "d_in"] | None,
) -> Float[Tensor, "batch d_sae"]:
    """Return `(x - centre) @ weight.T + bias`, differentiable in all four."""
    return CentredLinear.apply(x, weight, bias, centre)  # type: ignore[return-value]
