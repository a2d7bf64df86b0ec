"""Singular value decompositions of products of two thin matrices, without ever forming the product.

1. A head's circuit is `left @ right` with [d, k] and [k, e], where k is the width of a head, far below d and e.
2. `left = Q R` and `right^T = P T` by thin QR; the core `R T^T` is only [k, k], and `U S V^T` its decomposition.
3. The circuit's is `(Q U) S (P V)^T`.
4. Every core is multiplied out again; where that fails, LAPACK's slower `gesvd` takes the place of `gesdd`.
"""

from dataclasses import dataclass

import scipy.linalg
import torch
from jaxtyping import Float, Int
from torch import Tensor

EXACT = 1e-9
DEGENERATE = 1e-3


@dataclass(frozen=True, eq=False)
class ThinSVD:
    """Decompositions `read diag(values) write^T` of many matrices, in float64.

    Attributes:
        read: what each component takes from its input (the left singular vectors), one a column.
        values: the singular values, the largest first.
        write: what each component puts out (the right singular vectors), one a column.
    """

    read: Float[Tensor, "*many d k"]
    values: Float[Tensor, "*many k"]
    write: Float[Tensor, "*many e k"]

    def transposed(self) -> "ThinSVD":
        """Return the decompositions of the transposed matrices."""
        return ThinSVD(self.write, self.values, self.read)

    def matrices(self) -> Float[Tensor, "*many d e"]:
        """Return the matrices themselves."""
        return (self.read * self.values[..., None, :]) @ self.write.mT


@torch.no_grad()
def thin_svd(left: Float[Tensor, "*many d k"], right: Float[Tensor, "*many k e"]) -> ThinSVD:
    """Return the decompositions of `left @ right`; of each component's write vector the largest entry is positive.

    Source: the thin-QR route is the usual one for products; Merullo, Eickhoff & Pavlick 2024, "Talking Heads"
    (arXiv 2406.09519), decompose the same circuits as full matrices.
    """
    outer, upper = torch.linalg.qr(left.double())
    inner, lower = torch.linalg.qr(right.double().mT)
    cores = upper @ lower.mT
    turned, values, other = _decomposed(cores)
    read, write = outer @ turned, inner @ other
    peaks = write.gather(-2, write.abs().argmax(-2, keepdim=True))
    signs = torch.where(peaks < 0, -1.0, 1.0).to(write)
    return ThinSVD(read * signs, values, write * signs)


def degenerate_blocks(values: Float[Tensor, "*many k"], gap: float = DEGENERATE) -> Int[Tensor, "*many k"]:
    """Return the number of each component's block: neighbours whose values differ by less than `gap` share one.

    Inside a block single components mean nothing: any rotation of them is as good a decomposition. Only the space they
    span does. The gap is a part of the larger value; components of value zero are one block.
    """
    apart = values[..., :-1] - values[..., 1:] > gap * values[..., :-1]
    first = torch.zeros_like(values[..., :1], dtype=torch.long)
    return torch.cat([first, apart.long().cumsum(-1)], -1)


def _decomposed(cores: Float[Tensor, "*many k k"]) -> tuple[Tensor, Tensor, Tensor]:
    """Return U, S and V of square matrices, each checked."""
    flat = cores.reshape(-1, *cores.shape[-2:])
    left, values, right = torch.linalg.svd(flat)
    found, wanted = (left * values[:, None]) @ right, flat
    size = torch.linalg.matrix_norm(wanted).clamp(min=torch.finfo(flat.dtype).tiny)
    wrong = ~(torch.linalg.matrix_norm(found - wanted) <= EXACT * size)
    for number in wrong.nonzero().squeeze(1).tolist():
        parts = scipy.linalg.svd(flat[number].cpu().numpy(), lapack_driver="gesvd")
        left[number], values[number], right[number] = (torch.from_numpy(part).to(flat) for part in parts)
    shape = cores.shape[:-2]
    return left.reshape(*shape, *left.shape[1:]), values.reshape(*shape, -1), right.mT.reshape(*shape, *right.shape[1:])
