"""Codes of which few are kept, and the encoder and decoder of just those, with exact gradients.

1. A batch's kept codes are ragged rows: the features of row b are `columns[offsets[b]:offsets[b + 1]]`.
2. Encoding reads the kept pre-activations out of the dense product; decoding sums decoder rows (an embedding bag).
3. The gradient of a kept code is one dot product of two rows.
4. The gradient of a feature's weights sums over the rows that kept it: the same bag over the pattern sorted by feature.
5. The gradient of `b_dec` through the encoder is one matrix-vector product.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from mechlab.dictionaries.triton_route import kernels_for


@dataclass(frozen=True)
class ByFeature:
    """The kept codes sorted by feature: `order` sorts them, `rows` says whose they are, `offsets` bounds a feature."""

    order: Int[Tensor, "n_kept"]
    rows: Int[Tensor, "n_kept"]
    offsets: Int[Tensor, "d_sae_plus_one"]


@dataclass(frozen=True)
class Kept:
    """Which codes of a batch are kept: the features of row b are `columns[offsets[b]:offsets[b + 1]]`."""

    columns: Int[Tensor, "n_kept"]
    offsets: Int[Tensor, "batch_plus_one"]
    d_sae: int

    @cached_property
    def rows(self) -> Int[Tensor, "n_kept"]:
        """The row of each kept code."""
        n_rows = self.offsets.numel() - 1
        numbers = torch.arange(n_rows, device=self.columns.device)
        return numbers.repeat_interleave(self.offsets.diff(), output_size=self.columns.numel())

    @cached_property
    def by_feature(self) -> ByFeature:
        """The transposed pattern."""
        columns, order = torch.sort(self.columns, stable=True)
        bounds = torch.arange(self.d_sae + 1, device=columns.device)
        return ByFeature(order, self.rows[order], torch.searchsorted(columns, bounds))

    @classmethod
    def fixed(cls, features: Int[Tensor, "batch k"], d_sae: int) -> "Kept":
        """Return the pattern of k features per row."""
        batch, k = features.shape
        return cls(features.reshape(-1), torch.arange(0, batch * k + 1, k, device=features.device), d_sae)

    @classmethod
    def flat(cls, positions: Int[Tensor, "n_kept"], batch: int, d_sae: int) -> "Kept":
        """Return the pattern of ascending positions in the flattened `[batch, d_sae]` codes."""
        bounds = torch.arange(batch + 1, device=positions.device) * d_sae
        return cls(positions % d_sae, torch.searchsorted(positions, bounds), d_sae)

    def gather(self, dense: Float[Tensor, "batch d_sae"]) -> Float[Tensor, "n_kept"]:
        """Return the kept entries of dense codes."""
        return torch.take(dense, self.rows * self.d_sae + self.columns)

    def fired(self, values: Float[Tensor, "n_kept"]) -> tuple[Tensor, Tensor]:
        """Return which features have a value above zero somewhere, and the mean number of such values per row."""
        on = values > 0
        fired = torch.zeros(self.d_sae, dtype=torch.bool, device=values.device)
        fired[self.columns[on]] = True
        return fired, on.sum() / (self.offsets.numel() - 1)


@dataclass(frozen=True)
class Read:
    """Kept pre-activations that were read out of a dense product, and the centred input that gave them."""

    values: Float[Tensor, "n_kept"]
    centred: Float[Tensor, "batch d_in"]
    kept: Kept


class EncodeKept(torch.autograd.Function):
    """Kept pre-activations, already computed, as a function of encoder, bias and input centre."""

    @staticmethod
    def forward(ctx: Any, encoder: Tensor, b_enc: Tensor, centre: Tensor | None, read: Read) -> Tensor:
        """Return the values, remembering what they were computed from."""
        ctx.save_for_backward(encoder)
        ctx.read = read
        return read.values.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of encoder, encoder bias and input centre."""
        (encoder,) = ctx.saved_tensors
        centred, kept = ctx.read.centred, ctx.read.kept
        grad_b_enc = sum_by_feature(grad, grad.new_ones(centred.shape[0], 1), kept).squeeze(1)
        grad_centre = -(grad_b_enc @ encoder) if ctx.needs_input_grad[2] else None
        return sum_by_feature(grad, centred, kept), grad_b_enc, grad_centre, None


class DecodeKept(torch.autograd.Function):
    """Decoder rows summed with the kept codes as weights."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, W_dec: Tensor, kept: Kept) -> Tensor:
        """Return each row's weighted sum."""
        ctx.save_for_backward(values, W_dec)
        ctx.kept = kept
        return _bags(kept.columns, W_dec, kept.offsets, values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of the values and of the decoder."""
        values, W_dec = ctx.saved_tensors
        grad = grad.contiguous()
        return dot_rows(grad, W_dec, ctx.kept), sum_by_feature(values, grad, ctx.kept), None


def encode_kept(
    encoder: Float[Tensor, "d_sae d_in"],
    b_enc: Float[Tensor, "d_sae"],
    centre: Float[Tensor, "d_in"] | None,
    read: Read,
) -> Float[Tensor, "n_kept"]:
    """Return the kept pre-activations, differentiable in encoder, bias and centre (not in the input)."""
    return EncodeKept.apply(encoder, b_enc, centre, read)  # type: ignore[return-value]


def decode_kept(
    values: Float[Tensor, "n_kept"], W_dec: Float[Tensor, "d_sae d_out"], kept: Kept
) -> Float[Tensor, "batch d_out"]:
    """Return the sum of decoder rows weighted by the kept codes, without `b_dec`."""
    return DecodeKept.apply(values, W_dec, kept)  # type: ignore[return-value]


def sum_by_feature(
    weights: Float[Tensor, "n_kept"], rows: Float[Tensor, "batch width"], kept: Kept
) -> Float[Tensor, "d_sae width"]:
    """Return for each feature the weighted sum of the rows that kept it, in a fixed order."""
    by = kept.by_feature
    return _bags(by.rows, rows, by.offsets, weights[by.order])


def dot_rows(
    left: Float[Tensor, "batch width"], right: Float[Tensor, "d_sae width"], kept: Kept
) -> Float[Tensor, "n_kept"]:
    """Return the dot product of row and feature for each kept code."""
    if kernels := kernels_for(left):
        return kernels.dots(kept.offsets, kept.columns, left, right)
    zeros = left.new_zeros(kept.columns.numel())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        pattern = torch.sparse_csr_tensor(
            kept.offsets, kept.columns, zeros, (left.shape[0], kept.d_sae), check_invariants=False
        )
    return torch.sparse.sampled_addmm(pattern, left, right.T, beta=0.0).values()


def _bags(indices: Tensor, table: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    if kernels := kernels_for(table):
        return kernels.weighted_sums(offsets, indices, weights, table)
    return embedding_bag(indices, table, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True)
