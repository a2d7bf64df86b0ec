"""The rectifier: codes are positive parts, and gradients pass where codes do."""

import torch

from mechlab.dictionaries.rectifier import Rectifier


def test_codes_and_gradients_are_those_above_zero() -> None:
    pre, codes, grads = torch.tensor([[1.0, -2.0, 0.0]]), torch.full((1, 1, 3), torch.nan), torch.full((1, 3), 5.0)
    Rectifier().write(pre, codes, ())
    assert codes.tolist() == [[[1.0, 0.0, 0.0]]]
    assert Rectifier().write_grad(pre, [grads], codes, ()) == []
    assert pre.tolist() == [[5.0, 0.0, 0.0]]
