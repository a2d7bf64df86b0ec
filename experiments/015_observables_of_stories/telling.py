"""How numbers are written down: a value with its 95 % interval, and nulls by their middle and their upper end."""

from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.core.estimate import Estimate

Values = Float64[Tensor, "n"]


def told(found: Estimate | None) -> list[float] | None:
    """Return a value and its interval; None where it is undefined."""
    return None if found is None else [round(one, 4) for one in (found.value, found.low, found.high)]


def null(values: Sequence[float] | Tensor, own: float) -> dict[str, float]:
    """Return the median and the 95th percentile of a null's values, and how many reach the value held against it."""
    drawn = torch.as_tensor(values, dtype=torch.float64)
    median, upper = drawn.quantile(torch.tensor([0.5, 0.95], dtype=torch.float64)).tolist()
    return {
        "median": round(median, 4),
        "95 %": round(upper, 4),
        "reached": round(float((drawn >= own).double().mean()), 4),
    }
