"""The published optimiser for the point where an MLP is linearised, written from its description.

The place t on the segment begins at one half and goes down the gradient of the squared value with Adam at a learning
rate of 0.02, clamped to [0, 1], until the loss is below 1e-7.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Optimised:
    """Where it ended, what is left of the value, and how often the MLP was run forward and back."""

    t: float
    value: float
    n_evaluations: int


def published_crossing(value: Callable[[Tensor], Tensor], low: Tensor, high: Tensor, most: int = 5000) -> Optimised:
    """Return where `value(x)` is nearly zero between two points."""
    t = torch.tensor(0.5, dtype=low.dtype, requires_grad=True)
    optimiser = torch.optim.Adam([t], lr=0.02)
    n_evaluations = 0
    for _ in range(most):
        n_evaluations += 1
        found = value((1 - t) * low + t * high)
        loss = found**2
        if float(loss.detach()) < 1e-7:
            break
        optimiser.zero_grad()
        n_evaluations += 1
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            t.clamp_(0, 1)
    return Optimised(t.item(), found.item(), n_evaluations)
