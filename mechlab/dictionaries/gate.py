"""The gate of a gated encoder: one product tells both which features are on and how strongly."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.shapes import Codes


class Gate(torch.autograd.Function):
    """Codes, the gate's positive parts below them, and the sums of those over the batch.

    What the backward pass needs is in the output: a code above zero has an open gate, whose positive part is the
    pre-activation itself.
    """

    @staticmethod
    def forward(ctx: Any, pre: Tensor, slope: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stacked codes and gates, and the gates' sums."""
        both = pre.new_empty(2 * pre.shape[0], pre.shape[1])
        codes, gates = both.tensor_split(2)
        torch.clamp(pre, min=0.0, out=gates)
        torch.addcmul(offset, pre, slope, out=codes).clamp_(min=0.0)
        _where_positive(codes, gates, out=codes)
        ctx.save_for_backward(both, slope)
        return both, gates.sum(0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, grad_sums: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Return the gradients of pre-activations, slope and offset."""
        both, slope = ctx.saved_tensors
        codes, gates = both.tensor_split(2)
        grad_codes, grad_gates = grad.tensor_split(2)
        grad_magnitudes = _where_positive(grad_codes, codes)
        grad_pre = grad_magnitudes * gates
        grad_slope = grad_pre.sum(0)
        torch.add(grad_gates, grad_sums, out=grad_pre)
        _where_positive(grad_pre, gates, out=grad_pre).addcmul_(grad_magnitudes, slope)
        return grad_pre, grad_slope, grad_magnitudes.sum(0)


def gated(pre: Codes, slope: Float[Tensor, "d_sae"], offset: Float[Tensor, "d_sae"]) -> Codes:
    """Return `relu(pre * slope + offset)` where the gate is open (`pre` above zero), zero elsewhere."""
    return torch.addcmul(offset, pre, slope).relu() * (pre > 0)


def codes_and_gates(
    pre: Codes, slope: Float[Tensor, "d_sae"], offset: Float[Tensor, "d_sae"]
) -> tuple[Float[Tensor, "twice_batch d_sae"], Float[Tensor, "d_sae"]]:
    """Return the gated codes with the positive parts of `pre` below them, and the sums of the latter over the batch.

    One below the other, so that one product decodes both.
    """
    return Gate.apply(pre, slope, offset)  # type: ignore[return-value]


def _where_positive(values: Tensor, of: Tensor, out: Tensor | None = None) -> Tensor:
    """Return values where `of` is above zero, zero elsewhere, in one pass over memory."""
    out = torch.empty_like(values) if out is None else out
    return torch.ops.aten.threshold_backward.grad_input(values, of, 0.0, grad_input=out)
