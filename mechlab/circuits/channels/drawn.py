"""Directions drawn at random, to hold a component or a channel against: what a head could as well have written.

All are of length one. They are drawn from the span of a head's own directions, from what is left of it across some
components, or spread as the directions of all heads are.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.models.sites import Head


def drawn_within(basis: Float[Tensor, "d_model k"], n: int, generator: torch.Generator) -> Float[Tensor, "n d_model"]:
    """Return directions drawn evenly from the span of orthonormal columns."""
    mixed = torch.randn(n, basis.shape[1], generator=generator, dtype=basis.dtype)
    return mixed / torch.linalg.vector_norm(mixed, dim=1, keepdim=True) @ basis.T


def drawn_in_head(circuits: HeadCircuits, head: Head, n: int, generator: torch.Generator) -> Float[Tensor, "n d_model"]:
    """Return directions drawn evenly from all that a head can write along."""
    return drawn_within(circuits.ov.write[head][:, circuits.ov.values[head] > 0], n, generator)


def drawn_across(circuits: HeadCircuits, head: Head, numbers: Sequence[int], seed: int) -> Float64[Tensor, "n d_model"]:
    """Return as many orthonormal directions, drawn from what a head can write across these components.

    Raises:
        UsageError: the head cannot write in so many more directions.
    """
    write = circuits.ov.write[head]
    others = [number for number in range(write.shape[1]) if number not in set(numbers)]
    if len(others) < len(numbers):
        remedy = f"A head of this model writes in {write.shape[1]} directions; take at most half of them."
        raise UsageError("too few directions are left for a control", value=len(numbers), remedy=remedy)
    generator = torch_generator(seed, f"drawn directions {head} {list(numbers)}")
    mixed = torch.randn(len(others), len(numbers), generator=generator, dtype=torch.float64)
    return (write[:, others].double() @ torch.linalg.qr(mixed).Q).T


@torch.no_grad()
def drawn_like(
    directions: Float[Tensor, "*many d_model k"], n: int, generator: torch.Generator
) -> Float[Tensor, "n d_model"]:
    """Return random unit directions with the covariance of these directions (about zero)."""
    columns = directions.transpose(-1, -2).flatten(0, -2)
    mixed = torch.randn(n, len(columns), generator=generator, dtype=columns.dtype) @ columns
    return mixed / torch.linalg.vector_norm(mixed, dim=1, keepdim=True)
