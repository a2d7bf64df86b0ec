"""The gate of a gated encoder: one product tells both which features are on and how strongly.

What a gradient needs is in the codes: one above zero has an open gate, whose positive part is the pre-activation.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.shapes import Codes
from mechlab.dictionaries.dense_path import Entries, Stacked, where_positive


class Gate(Entries):
    """Codes `relu(pre * slope + offset)` where the gate `pre` is open, and below them the gate's positive parts."""

    n_codes = 2

    def write(self, pre: Codes, codes: Stacked, rates: Sequence[Tensor]) -> None:
        """Write codes and positive parts; the rates are slope and offset."""
        slope, offset = rates
        magnitudes, gates = codes
        torch.clamp(pre, min=0.0, out=gates)
        where_positive(torch.addcmul(offset, pre, slope, out=pre).clamp_(min=0.0), gates, out=magnitudes)

    def write_grad(self, pre: Codes, grads: Sequence[Codes], codes: Stacked, rates: Sequence[Tensor]) -> list[Tensor]:
        """Write the gradient of the pre-activations, and return those of slope and offset."""
        slope, _ = rates
        magnitudes, gates = codes
        of_magnitudes = where_positive(grads[0], magnitudes, out=grads[0])
        of_slope = torch.mul(of_magnitudes, gates, out=pre).sum(0)
        where_positive(grads[1], gates, out=pre).addcmul_(of_magnitudes, slope)
        return [of_slope, of_magnitudes.sum(0)]


def gated(pre: Codes, slope: Float[Tensor, "d_sae"], offset: Float[Tensor, "d_sae"]) -> Codes:
    """Return `relu(pre * slope + offset)` where the gate is open (`pre` above zero), zero elsewhere."""
    return torch.addcmul(offset, pre, slope).relu() * (pre > 0)
