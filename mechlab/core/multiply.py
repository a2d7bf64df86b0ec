"""Which matrix products a training step takes: those of float32, or those of matrices rounded to bfloat16.

1. Code that multiplies large matrices asks `multiplier()` for its products.
2. By default these are float32's.
3. With `bfloat16` both matrices are rounded to bfloat16 and their product is summed in float32: half the
   time where the processor has instructions for it. Parameters are rounded once as long as a context lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor


class Multiplier:
    """Products in float32 (in whatever the matrices are in)."""

    exact: ClassVar[bool] = True

    def product(
        self, left: Float[Tensor, "n inner"], right: Float[Tensor, "inner m"], out: Float[Tensor, "n m"] | None = None
    ) -> Float[Tensor, "n m"]:
        """Return `left @ right`, written into `out` if that is given."""
        return torch.mm(left, right, out=out)

    def add_product(
        self, total: Float[Tensor, "n m"], left: Float[Tensor, "n inner"], right: Float[Tensor, "inner m"]
    ) -> None:
        """Add `left @ right` to `total`."""
        total.addmm_(left, right)

    def kept_product(self, left: Float[Tensor, "n inner"], right: Float[Tensor, "inner m"]) -> Float[Tensor, "n m"]:
        """Return `left @ right` in the precision in which factors are multiplied."""
        return torch.mm(left, right)

    def kept(self, matrix: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return a matrix in the precision in which it is multiplied."""
        return matrix


class RoundedMultiplier(Multiplier):
    """Products of matrices rounded to bfloat16, returned in their own precision."""

    exact = False

    def __init__(self) -> None:
        self._copies: dict[int, Tensor] = {}

    def product(
        self, left: Float[Tensor, "n inner"], right: Float[Tensor, "inner m"], out: Float[Tensor, "n m"] | None = None
    ) -> Float[Tensor, "n m"]:
        """Return the product of both as rounded, written into `out` if that is given."""
        # A GPU can hand out the sum as it is; a CPU rounds it.
        own: dict[str, Any] = {"out_dtype": torch.float32} if left.is_cuda else {}
        found = torch.mm(self._rounded(left), self._rounded(right), **own)
        return found.float() if out is None else out.copy_(found)

    def add_product(
        self, total: Float[Tensor, "n m"], left: Float[Tensor, "n inner"], right: Float[Tensor, "inner m"]
    ) -> None:
        """Add the product of both as rounded to `total`."""
        total.add_(torch.mm(self._rounded(left), self._rounded(right)))

    def kept_product(self, left: Float[Tensor, "n inner"], right: Float[Tensor, "inner m"]) -> Float[Tensor, "n m"]:
        """Return the product of both as rounded, rounded."""
        return torch.mm(self._rounded(left), self._rounded(right))

    def kept(self, matrix: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return the matrix, rounded."""
        return matrix.bfloat16()

    def _rounded(self, matrix: Tensor) -> Tensor:
        whole = matrix if matrix._base is None else matrix._base
        if not isinstance(whole, torch.nn.Parameter):
            return matrix.bfloat16()
        if id(whole) not in self._copies:
            self._copies[id(whole)] = whole.detach().bfloat16()
        copy = self._copies[id(whole)]
        return copy.as_strided(matrix.shape, matrix.stride(), matrix.storage_offset())


_MULTIPLIERS: dict[str, type[Multiplier]] = {"float32": Multiplier, "bfloat16": RoundedMultiplier}
FLOAT32 = Multiplier()
_MULTIPLIER: ContextVar[Multiplier] = ContextVar("what multiplies", default=FLOAT32)


def multiplier() -> Multiplier:
    """Return what takes the products here.

    A backward pass may run in another thread, where contexts are unknown: keep what the forward pass was given.
    """
    return _MULTIPLIER.get()


@contextmanager
def multiplication(precision: str) -> Iterator[None]:
    """Take the products inside the context in `float32` or in `bfloat16`; parameters must not change inside."""
    token = _MULTIPLIER.set(_MULTIPLIERS[precision]())
    try:
        yield
    finally:
        _MULTIPLIER.reset(token)
