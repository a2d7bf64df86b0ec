"""An order drawn by hashing: each thing has its own number, so a draw needs no memory of what came before it.

The things with the smallest numbers are a uniform sample without replacement, of whatever was seen, in whatever order.
"""

from jaxtyping import Int64
from torch import Tensor

from mechlab.core.randomness import sub_seed

_FIRST, _SECOND = 0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64)
_STEP = 0x9E3779B97F4A7C15 - (1 << 64)


def hashed_order(things: Int64[Tensor, "n"], seed: int, purpose: str) -> Int64[Tensor, "n"]:
    """Return each thing's number, at least 0 and below 2**62; it depends on the thing, the seed and the purpose alone.

    Source: the finaliser of SplitMix64 (Steele, Lea & Flood 2014), which maps 64 bits to 64 bits one to one.
    """
    mixed = (things ^ sub_seed(seed, purpose)) * _STEP
    mixed = (mixed ^ _shifted(mixed, 30)) * _FIRST
    mixed = (mixed ^ _shifted(mixed, 27)) * _SECOND
    return _shifted(mixed ^ _shifted(mixed, 31), 2)


def _shifted(numbers: Int64[Tensor, "n"], places: int) -> Int64[Tensor, "n"]:
    """Return the bits moved right, zeros behind them."""
    return (numbers >> places) & ((1 << (64 - places)) - 1)
