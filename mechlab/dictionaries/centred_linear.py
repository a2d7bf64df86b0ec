"""The linear maps of encoder and decoder, with gradients that cost no more than they must.

1. The gradients of the encoder's bias and centre are a sum and a matrix-vector product, never a matrix product.
2. Where a batch is taken a few rows at a time, weight gradients add up in place instead of being made anew each time.
3. A product whose inner axis is the features is taken transposed, which is quicker on a CPU.
4. The gradient of the rows' norms is one pass over the weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.multiply import multiplier

IN_PLACE = ContextVar("weight gradients add up in place", default=False)


@contextmanager
def gradients_in_place() -> Iterator[None]:
    """Let `backward` inside the context add the weights' gradients straight to those that are there."""
    token = IN_PLACE.set(True)
    try:
        yield
    finally:
        IN_PLACE.reset(token)


class CentredLinear(torch.autograd.Function):
    """`(x - centre) @ weight.T + bias`; the gradient of `centre` follows from the bias's: `-grad_bias @ weight`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, centre: Tensor | None) -> Tensor:
        """Return the pre-activations, keeping the centred input for the backward pass."""
        centred = x if centre is None else x - centre
        ctx.save_for_backward(centred, weight)
        ctx.in_place, ctx.by = IN_PLACE.get(), multiplier()
        return ctx.by.product(centred, weight.T).add_(bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of input, weight, bias and centre."""
        centred, weight = ctx.saved_tensors
        wants_x, wants_weight, _, wants_centre = ctx.needs_input_grad
        grad_bias = grad.sum(0)
        grad_x = ctx.by.product(grad, weight) if wants_x else None
        grad_weight = weight_gradient(weight, grad, centred, ctx) if wants_weight else None
        return grad_x, grad_weight, grad_bias, -(grad_bias @ weight) if wants_centre else None


class Summed(torch.autograd.Function):
    """`codes @ weight`: the sum of the rows of `weight`, weighted by the codes."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, weight: Tensor) -> Tensor:
        """Return the sums."""
        ctx.save_for_backward(codes, weight)
        ctx.in_place, ctx.by = IN_PLACE.get(), multiplier()
        return ctx.by.product(weight.T, codes.T).T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of codes and weight."""
        codes, weight = ctx.saved_tensors
        return ctx.by.product(grad, weight.T), weight_gradient(weight, codes, grad, ctx)


class RowNorms(torch.autograd.Function):
    """The norm of each row; a row of zeros has no gradient."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        """Return the norms."""
        norms = weight.norm(dim=-1)
        ctx.save_for_backward(weight, norms)
        ctx.in_place = IN_PLACE.get()
        return norms

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor | None:  # type: ignore[override]
        """Return the gradient of the weight, or None where it was added to the one that is there."""
        weight, norms = ctx.saved_tensors
        scale = torch.where(norms > 0, grad / norms, 0.0)[:, None]
        if ctx.in_place and weight.is_leaf and weight.grad is not None:
            weight.grad.addcmul_(weight, scale)
            return None
        return weight * scale


def centred_linear(
    x: Float[Tensor, "batch d_in"],
    weight: Float[Tensor, "d_sae d_in"],
    bias: Float[Tensor, "d_sae"],
    centre: Float[Tensor, "d_in"] | None,
) -> Float[Tensor, "batch d_sae"]:
    """Return `(x - centre) @ weight.T + bias`, differentiable in all four."""
    return CentredLinear.apply(x, weight, bias, centre)  # type: ignore[return-value]


def summed(codes: Float[Tensor, "batch d_sae"], weight: Float[Tensor, "d_sae d_out"]) -> Float[Tensor, "batch d_out"]:
    """Return `codes @ weight`, differentiable in both."""
    return Summed.apply(codes, weight)  # type: ignore[return-value]


def row_norms(weight: Float[Tensor, "d_sae d_out"]) -> Float[Tensor, "d_sae"]:
    """Return the norm of each row of `weight`, differentiable."""
    return RowNorms.apply(weight)  # type: ignore[return-value]


def weight_gradient(weight: Tensor, left: Tensor, right: Tensor, ctx: Any) -> Tensor | None:
    """Return `left.T @ right`, or None where the function's context had it added to the gradient that is there."""
    if ctx.in_place and weight.is_leaf and weight.grad is not None:
        ctx.by.add_product(weight.grad, left.T, right)
        return None
    return ctx.by.product(left.T, right)
