"""The gate: a code is the magnitude where it is open."""

import torch

from mechlab.dictionaries.gate import Gate, gated

SLOPE, OFFSET = torch.full((4,), 2.0), torch.tensor([0.5, -3.0, 9.0, 9.0])
PRE = torch.tensor([[1.0, 1.0, -1.0, 0.0]])


def test_a_code_is_the_magnitude_where_the_gate_is_open() -> None:
    assert gated(PRE, SLOPE, OFFSET).tolist() == [[2.5, 0.0, 0.0, 0.0]]


def test_codes_lie_above_the_positive_parts_of_their_gates() -> None:
    codes = torch.full((2, 1, 4), torch.nan)
    Gate().write(PRE.clone(), codes, (SLOPE, OFFSET))
    assert codes.tolist() == [[[2.5, 0.0, 0.0, 0.0]], [[1.0, 1.0, 0.0, 0.0]]]
