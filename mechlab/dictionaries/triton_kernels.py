"""The two operations that carry all sparse codes, as Triton kernels for GPUs.

1. Weighted sums: a program sums one bag's rows over a block of columns, a few rows at a time, in their order.
2. Dot products: a program takes one bag and goes through the columns of its rows block by block, a few rows at a time.
3. Neighbouring threads read neighbouring columns, whole rows are never copied, and nothing is added up atomically, so
   that the same input gives the same bytes.
4. Products are summed in float32, in float64 where the table is; what the table is stored in costs only its reading.
"""

from typing import no_type_check

import torch
import triton  # pyright: ignore[reportMissingImports]
import triton.language as tl  # pyright: ignore[reportMissingImports]
from jaxtyping import Float, Int
from torch import Tensor

ROWS, COLUMNS = tl.constexpr(16), tl.constexpr(128)


def weighted_sums(
    offsets: Int[Tensor, "n_bags_plus_one"],
    indices: Int[Tensor, "n_kept"],
    weights: Float[Tensor, "n_kept"],
    table: Float[Tensor, "n_rows width"],
) -> Float[Tensor, "n_bags width"]:
    """Return for each bag the weighted sum of its rows of the table, in the weights' type.

    Args:
        offsets: bag b is `offsets[b]` up to `offsets[b + 1]`.
        indices: rows of the table.
        weights: what each row counts.
        table: what is summed.
    """
    n_bags, width = len(offsets) - 1, table.shape[1]
    sums, grid = weights.new_empty(n_bags, width), (n_bags, triton.cdiv(width, COLUMNS.value))
    bags = offsets.contiguous(), indices.contiguous(), weights.contiguous()
    with torch.cuda.device_of(table):
        _weighted_sums[grid](*bags, table.contiguous(), sums, width)  # pyright: ignore[reportIndexIssue]
    return sums


def dots(
    offsets: Int[Tensor, "n_bags_plus_one"],
    indices: Int[Tensor, "n_kept"],
    left: Float[Tensor, "n_bags width"],
    table: Float[Tensor, "n_rows width"],
) -> Float[Tensor, "n_kept"]:
    """Return the products of each bag's row of `left` with each of the bag's rows of the table, in the type of `left`.

    Args:
        offsets: bag b is `offsets[b]` up to `offsets[b + 1]`.
        indices: rows of the table.
        left: a row for each bag.
        table: where the bags' rows are.
    """
    (n_bags, width), products = left.shape, left.new_empty(len(indices))
    bags = offsets.contiguous(), indices.contiguous(), left.contiguous()
    with torch.cuda.device_of(table):
        _dots[n_bags,](*bags, table.contiguous(), products, width)  # pyright: ignore[reportIndexIssue]
    return products


@triton.jit
@no_type_check
def _weighted_sums(offsets, indices, weights, table, sums, width):
    wide = tl.float64 if table.dtype.element_ty == tl.float64 else tl.float32
    bag = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), dtype=wide)
    stop = tl.load(offsets + bag + 1)
    for at in range(tl.load(offsets + bag), stop, ROWS):
        place = at + tl.arange(0, ROWS)
        inside = place < stop
        row = tl.load(indices + place, mask=inside, other=0).to(tl.int64) * width
        weight = tl.load(weights + place, mask=inside, other=0.0).to(wide)
        wanted = inside[:, None] & (column < width)[None, :]
        values = tl.load(table + row[:, None] + column[None, :], mask=wanted, other=0.0)
        total += weight[:, None] * values.to(wide)
    tl.store(sums + bag * width + column, tl.sum(total, axis=0), mask=column < width)


@triton.jit
@no_type_check
def _dots(offsets, indices, left, table, products, width):
    wide = tl.float64 if table.dtype.element_ty == tl.float64 else tl.float32
    bag = tl.program_id(0).to(tl.int64)
    stop = tl.load(offsets + bag + 1)
    for at in range(tl.load(offsets + bag), stop, ROWS):
        place = at + tl.arange(0, ROWS)
        inside = place < stop
        row = tl.load(indices + place, mask=inside, other=0).to(tl.int64) * width
        total = tl.zeros((ROWS, COLUMNS), dtype=wide)
        for first in range(0, width, COLUMNS):
            column = first + tl.arange(0, COLUMNS)
            own = tl.load(left + bag * width + column, mask=column < width, other=0.0)
            wanted = inside[:, None] & (column < width)[None, :]
            values = tl.load(table + row[:, None] + column[None, :], mask=wanted, other=0.0)
            total += own.to(wide)[None, :] * values.to(wide)
        tl.store(products + place, tl.sum(total, axis=1), mask=inside)
