"""From rows through all codes to what they decode to, in one function with a gradient of its own.

1. Pre-activations are computed a few rows at a time, and become codes while they are in the cache.
2. Codes are kept as they are multiplied: rounded, if products are.
3. A kind may have several codes for each pre-activation, one array below the other, so that one product decodes all.
4. The gradients of codes are computed a few rows at a time, too, and become those of the pre-activations at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.multiply import multiplier
from mechlab.core.shapes import Codes, Inputs
from mechlab.dictionaries.centred_linear import IN_PLACE, weight_gradient
from mechlab.dictionaries.tiles import TILE_NUMBERS

Stacked = Float[Tensor, "n_codes rows d_sae"]
Decoded = tuple[Float[Tensor, "stacked d_out"], Float[Tensor, "d_sae"], Float[Tensor, "d_sae"]]


class Entries(ABC):
    """What turns each pre-activation into its codes, by rates that each feature has."""

    n_codes: ClassVar[int] = 1

    @abstractmethod
    def write(self, pre: Codes, codes: Stacked, rates: Sequence[Tensor]) -> None:
        """Write the codes; `pre` may be overwritten."""

    @abstractmethod
    def write_grad(self, pre: Codes, grads: Sequence[Codes], codes: Stacked, rates: Sequence[Tensor]) -> list[Tensor]:
        """Write the gradient of the pre-activations into `pre`, and return those of the rates.

        The gradients of the codes may be overwritten.
        """


@dataclass(frozen=True)
class Weights:
    """What rows are multiplied with; `centre` is subtracted from them, if it is given."""

    encoder: Float[Tensor, "d_sae d_in"]
    b_enc: Float[Tensor, "d_sae"]
    centre: Float[Tensor, "d_in"] | None
    W_dec: Float[Tensor, "d_sae d_out"]


class DensePath(torch.autograd.Function):
    """What codes decode to and the sums of the last of them, differentiable in weights and rates (not in the rows)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, entries: Entries, *parameters: Any) -> Decoded:
        """Return the decoded codes, the sums of the last codes, and how many of the first are above zero."""
        encoder, b_enc, centre, W_dec, *rates = parameters
        ctx.in_place, ctx.by, ctx.entries = IN_PLACE.get(), multiplier(), entries
        centred = x if centre is None else x - centre
        codes = ctx.by.kept(centred.new_empty(0)).new_empty(entries.n_codes, len(x), len(encoder))
        sums, counts = torch.zeros_like(b_enc), torch.zeros_like(b_enc)
        for rows in _few_rows(codes):
            pre = ctx.by.kept_product(centred[rows], encoder.T).add_(b_enc)
            entries.write(pre, codes[:, rows], [rate.to(codes.dtype) for rate in rates])
            sums += codes[-1, rows].sum(0, dtype=sums.dtype)
            counts += codes[0, rows].sign().sum(0, dtype=sums.dtype)
        ctx.save_for_backward(centred, encoder, W_dec, codes, *rates)
        ctx.mark_non_differentiable(counts)
        return ctx.by.product(W_dec.T, codes.flatten(0, 1).T).T, sums, counts

    @staticmethod
    def backward(ctx: Any, grad: Tensor, grad_sums: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of weights and rates."""
        centred, encoder, W_dec, codes, *rates = ctx.saved_tensors
        rounded = [rate.to(codes.dtype) for rate in rates]
        grad_pre, grad_b = torch.empty_like(codes[0]), torch.zeros_like(grad_sums)
        grad_rates = [torch.zeros_like(rate) for rate in rates]
        parts = grad.contiguous().tensor_split(len(codes))
        for rows in _few_rows(codes):
            grads = [ctx.by.kept_product(part[rows], W_dec.T) for part in parts]
            grads[-1] += grad_sums
            for total, part in zip(
                grad_rates, ctx.entries.write_grad(grad_pre[rows], grads, codes[:, rows], rounded), strict=True
            ):
                total += part
            grad_b += grad_pre[rows].sum(0, dtype=grad_b.dtype)
        grad_W_dec = weight_gradient(W_dec, codes.flatten(0, 1), grad, ctx)
        grad_centre = -(grad_b @ encoder) if ctx.needs_input_grad[4] else None
        grad_encoder = weight_gradient(encoder, grad_pre, centred, ctx)
        return None, None, grad_encoder, grad_b, grad_centre, grad_W_dec, *grad_rates


def decoded(x: Inputs, entries: Entries, weights: Weights, rates: Sequence[Tensor] = ()) -> Decoded:
    """Return what codes decode to, without a bias; where there are several for each entry, one below the other.

    Also return the sums of the last codes over the batch, and for how many rows each feature's first code is above
    zero. The first two are differentiable in weights and rates.
    """
    return DensePath.apply(x, entries, *vars(weights).values(), *rates)  # type: ignore[return-value]


def where_positive(values: Tensor, of: Tensor, out: Tensor | None = None) -> Tensor:
    """Return values where `of` is above zero, zero elsewhere, in one pass over memory."""
    out = torch.empty_like(values) if out is None else out
    return torch.ops.aten.threshold_backward.grad_input(values, of, 0.0, grad_input=out)


def _few_rows(codes: Stacked) -> Iterator[slice]:
    _, batch, d_sae = codes.shape
    n_rows = max(1, TILE_NUMBERS // d_sae) if codes.device.type == "cpu" else batch
    return (slice(start, start + n_rows) for start in range(0, batch, n_rows))
