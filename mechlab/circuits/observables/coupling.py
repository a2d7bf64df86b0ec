"""How far one direction tells of another: if the stream goes k along the first, how far does it go along the second?

1. Over all vectors of one length that go k along y1, the mean along y2 is k C, with `C = y1 . y2 / |y1|^2`.
2. The most and the least are `|y2| / |y1| (k cos +- sin sqrt(s^2 |y1|^2 - k^2))`, s being the length.

Source: Observable Propagation (arXiv 2312.16291; ICML 2024), theorem on coupling coefficients.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mechlab.core.errors import UsageError

Direction = Float[Tensor, "_d"]


class CouplingBounds(NamedTuple):
    """How far vectors may go along a second direction."""

    mean: float
    least: float
    most: float


@dataclass(frozen=True, eq=False)
class Couplings:
    """Several directions, pair by pair.

    Attributes:
        names: of the directions.
        couplings: of a row's direction with a column's: how far the column goes where the row goes one.
        cosines: of the angles between them.
    """

    names: tuple[str, ...]
    couplings: Float64[Tensor, "n n"]
    cosines: Float64[Tensor, "n n"]


def coupling(first: Direction, second: Direction) -> float:
    """Return how far a vector goes along the second direction, on average, for each unit along the first.

    Raises:
        UsageError: the first direction is zero, or they differ in width.

    Source: Observable Propagation (arXiv 2312.16291), coupling coefficient.
    """
    one, other = _pair(first, second)
    return float(one @ other / one.square().sum())


def coupling_bounds(first: Direction, second: Direction, along: float, length: float) -> CouplingBounds:
    """Return the mean, the least and the most along the second direction of vectors that go so far along the first.

    Args:
        first: a direction, of any length.
        second: another.
        along: the dot product of the vectors with the first.
        length: of the vectors.

    Raises:
        UsageError: no vector of that length goes so far, the first direction is zero, or they differ in width.

    Source: Observable Propagation (arXiv 2312.16291), theorem on coupling coefficients: vectors are taken as uniform
    over all there are.
    """
    one, other = _pair(first, second)
    size = float(one.norm())
    if not abs(along) <= length * size:
        remedy = f"Vectors of length {length:g} go {length * size:g} at most."
        raise UsageError("no vector goes so far along the direction", value=along, remedy=remedy)
    mean = along * coupling(first, second)
    aside = other - one * (one @ other / one.square().sum())
    spread = float(aside.norm()) * math.sqrt(max(length**2 - (along / size) ** 2, 0.0))
    return CouplingBounds(mean, mean - spread, mean + spread)


def couplings(directions: Mapping[str, Direction]) -> Couplings:
    """Return the couplings and cosines of several directions, by their names.

    Raises:
        UsageError: a direction is zero, or they differ in width.

    Source: Observable Propagation (arXiv 2312.16291), coupling coefficients.
    """
    if len({len(one) for one in directions.values()}) != 1:
        raise UsageError("directions differ in width", value=[len(one) for one in directions.values()])
    rows = torch.stack([one.double() for one in directions.values()])
    sizes = rows.norm(dim=1)
    if bool((sizes == 0).any()):
        zero = tuple(directions)[int((sizes == 0).int().argmax())]
        raise UsageError("direction is zero", value=zero, remedy="Leave it out.")
    products = rows @ rows.T
    return Couplings(tuple(directions), products / sizes[:, None] ** 2, products / sizes[:, None] / sizes)


def _pair(first: Direction, second: Direction) -> tuple[Direction, Direction]:
    if len(first) != len(second):
        raise UsageError("directions differ in width", value=f"{len(first)} and {len(second)}")
    if not bool(first.any()):
        raise UsageError("direction is zero", value="the first", remedy="Take one that goes somewhere.")
    return first.double(), second.double()
