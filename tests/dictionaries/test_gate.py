"""Codes and gates, their sums and their gradients are those of the plain expressions."""

import torch
from torch import Tensor

from mechlab.dictionaries.gate import codes_and_gates, gated


def leaves() -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in [(40, 7), (7,), (7,)]]


def test_a_code_is_the_magnitude_where_the_gate_is_open() -> None:
    pre = torch.tensor([[1.0, 1.0, -1.0, 0.0]])
    assert gated(pre, torch.full((4,), 2.0), torch.tensor([0.5, -3.0, 9.0, 9.0])).tolist() == [[2.5, 0.0, 0.0, 0.0]]


def test_values_and_gradients_are_those_of_autograd() -> None:
    ours, plain = ([leaf.requires_grad_() for leaf in leaves()] for _ in range(2))
    both, sums = codes_and_gates(*ours)
    pre, slope, offset = plain
    open_gates = (pre > 0).double()
    expected = torch.cat([open_gates * (pre * slope + offset).relu(), pre.relu()])
    torch.testing.assert_close(both, expected)
    torch.testing.assert_close(sums, pre.relu().sum(0))
    draw = torch.Generator().manual_seed(1)
    weights, by_sum = torch.randn(80, 7, generator=draw).double(), torch.randn(7, generator=draw).double()
    ((both * weights).sum() + sums @ by_sum).backward()
    ((expected * weights).sum() + pre.relu().sum(0) @ by_sum).backward()
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_codes_on_top_are_the_gated_codes() -> None:
    both, _ = codes_and_gates(*leaves())
    torch.testing.assert_close(both[:40], gated(*leaves()))
