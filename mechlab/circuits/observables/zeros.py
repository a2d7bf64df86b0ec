"""Zeros of many functions on [0, 1] at once.

1. Where a function has two signs at the ends, they bracket a zero; where not, its values at 33 places are looked at,
   and the first two neighbours of two signs do.
2. A bracket is narrowed by the secant of its ends, the value of an end that stays being halved (the Illinois rule);
   every fourth time its middle is taken.
3. Where no sign changes, the stretch beside the value nearest to zero is cut in 32 again and again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

PARTS, MOST_CUTS, MOST_STEPS = 32, 11, 100
ROUNDING = 4 * torch.finfo(torch.float64).eps
Functions = Callable[[Float64[Tensor, "n k"]], Float64[Tensor, "n k"]]
Rows = Float64[Tensor, "n"]


@dataclass(frozen=True, eq=False)
class Zeros:
    """Where functions are zero, or nearest to it.

    Attributes:
        t: the places.
        values: what is left there.
        crosses: whether a sign changes; without, `t` is where the values looked at are nearest to zero.
        n_values: how many values of each function were looked at.
    """

    t: Rows
    values: Rows
    crosses: Bool[Tensor, "n"]
    n_values: int


def zeros(functions: Functions, n: int, tolerance: float = 0.0) -> Zeros:
    """Return a zero of each function, or where it is nearest to zero.

    Args:
        functions: all at once: k places for each, in float64.
        n: how many there are.
        tolerance: narrow brackets until values are at most so far from zero; 0 goes on as far as numbers can tell.
    """
    counted = _Counted(functions)
    places = torch.tensor([[0.0, 1.0]], dtype=torch.float64).repeat(n, 1)
    values = counted(places)
    if bool((values[:, 0].signbit() == values[:, 1].signbit()).any()):
        places = torch.linspace(0, 1, PARTS + 1, dtype=torch.float64).repeat(n, 1)
        values = counted(places)
    changes = values[:, :-1].signbit() != values[:, 1:].signbit()
    crosses, first = changes.any(1), changes.int().argmax(1)
    ends = torch.stack([first, first + 1], 1)
    t, left = _narrowed(counted, places.gather(1, ends), values.gather(1, ends), crosses, tolerance)
    if not bool(crosses.all()):
        lowest, least = _nearest(counted, places, values)
        t, left = torch.where(crosses, t, lowest), torch.where(crosses, left, least)
    return Zeros(t, left, crosses, counted.n_values)


class _Counted:
    """Functions, and how many values of each were asked for."""

    def __init__(self, functions: Functions) -> None:
        self._functions, self.n_values = functions, 0

    def __call__(self, places: Float64[Tensor, "n k"]) -> Float64[Tensor, "n k"]:
        self.n_values += places.shape[1]
        return self._functions(places)


def _narrowed(
    functions: _Counted,
    places: Float64[Tensor, "n 2"],
    values: Float64[Tensor, "n 2"],
    counts: Bool[Tensor, "n"],
    tolerance: float,
) -> tuple[Rows, Rows]:
    """Return the zeros between brackets' ends, and the values there; rows that do not count are left alone."""
    (low, high), (at_low, at_high) = places.T, values.T
    best, least = torch.where(at_low.abs() < at_high.abs(), low, high), values.abs().amin(1)
    found = torch.where(at_low.abs() < at_high.abs(), at_low, at_high)
    for step in range(1, MOST_STEPS + 1):
        if bool((~counts | (least <= tolerance) | ((high - low).abs() <= ROUNDING)).all()):
            break
        secant = (low * at_high - high * at_low) / (at_high - at_low)
        middle = (low + high) / 2
        t = torch.where(secant.isfinite() & (step % 4 != 0), secant, middle)
        value = functions(t[:, None])[:, 0]
        turns = value.signbit() != at_high.signbit()
        low, at_low = torch.where(turns, high, low), torch.where(turns, at_high, at_low / 2)
        high, at_high = t, value
        closer = value.abs() < least
        best, found, least = (torch.where(closer, *pair) for pair in ((t, best), (value, found), (value.abs(), least)))
    return best, found


def _nearest(functions: _Counted, places: Float64[Tensor, "n k"], values: Float64[Tensor, "n k"]) -> tuple[Rows, Rows]:
    """Return where functions are nearest to zero, from places and values looked at on."""
    steps, rows = torch.linspace(0, 1, PARTS + 1, dtype=torch.float64), torch.arange(len(places))
    for _ in range(MOST_CUTS):
        nearest = values.abs().argmin(1)
        begin, end = ((nearest + step).clamp(0, places.shape[1] - 1) for step in (-1, 1))
        low, high = places[rows, begin, None], places[rows, end, None]
        places = low + (high - low) * steps
        values = functions(places)
    nearest = values.abs().argmin(1)
    return places[rows, nearest], values[rows, nearest]
