"""How far a LayerNorm may turn a direction: the bound that allows to skip it when directions are handed back."""

import math

from mechlab.core.errors import UsageError

LEAST = 8


def angle_bound(d_model: int) -> float:
    """Return a bound on the mean angle, in radians, between a direction behind a LayerNorm and its gradient in front.

    The mean is over directions drawn from a normal distribution; the norm has no gain.

    Args:
        d_model: width of the stream, at least 8.

    Raises:
        UsageError: the width is less.

    Source: Observable Propagation (arXiv 2312.16291; ICML 2024), theorem on LayerNorm gradients:
    `2 arccos sqrt(1 - 1 / (d - 1))`.
    """
    if d_model < LEAST:
        raise UsageError("bound does not hold for so narrow a stream", value=d_model, remedy=f"{LEAST} is the least.")
    return 2 * math.acos(math.sqrt(1 - 1 / (d_model - 1)))
