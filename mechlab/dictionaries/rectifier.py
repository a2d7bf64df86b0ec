"""The rectifier: a code is the positive part of its pre-activation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mechlab.core.shapes import Codes
from mechlab.dictionaries.dense_path import Entries, Stacked, where_positive


class Rectifier(Entries):
    """Positive parts; there are no rates."""

    def write(self, pre: Codes, codes: Stacked, rates: Sequence[Tensor]) -> None:
        """Write the positive parts."""
        torch.clamp(pre, min=0.0, out=codes[0])

    def write_grad(self, pre: Codes, grads: Sequence[Codes], codes: Stacked, rates: Sequence[Tensor]) -> list[Tensor]:
        """Write the gradients of codes above zero."""
        where_positive(grads[0], codes[0], out=pre)
        return []
