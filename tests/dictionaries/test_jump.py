"""The jump and its estimated gradient are those SAELens trains with."""

import pytest
import torch
from sae_lens.saes.jumprelu_sae import JumpReLU, Step

from mechlab.dictionaries.jump import jumped_and_on


def jumped(pre: torch.Tensor, threshold: torch.Tensor, bandwidth: float, to_input: bool) -> torch.Tensor:
    return jumped_and_on(pre, threshold, bandwidth, to_input)[0]


def counted(pre: torch.Tensor, threshold: torch.Tensor, bandwidth: float, to_input: bool) -> torch.Tensor:
    return jumped_and_on(pre, threshold, bandwidth, to_input)[1]


def steps_counted(*arguments: object) -> torch.Tensor:
    return Step.apply(*arguments).sum(-1)


@pytest.mark.parametrize("to_input", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), [(jumped, JumpReLU.apply), (counted, steps_counted)])
def test_value_and_gradients_are_saelens(ours: object, theirs: object, to_input: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    pre, threshold, weight = (torch.randn(shape, generator=draw) for shape in [(200, 5), (5,), (200, 5)])
    results = []
    for function in (ours, theirs):
        leaves = pre.clone().requires_grad_(), threshold.abs().clone().requires_grad_()
        value = function(*leaves, 0.5, to_input)  # type: ignore[operator]
        (value * weight[:, : value.shape[1]] if value.ndim == 2 else value * weight[:, 0]).sum().backward()
        results.append((value, leaves[0].grad, leaves[1].grad))
    assert results[0][2].abs().max() > 0
    for one, other in zip(*results, strict=True):
        wanted = torch.zeros_like(one) if other is None else other
        torch.testing.assert_close(one, wanted)


def test_single_entries_with_thresholds_of_their_own_are_the_same_jump() -> None:
    draw = torch.Generator().manual_seed(1)
    pre, weight = torch.randn(30, 5, generator=draw), torch.randn(30, 5, generator=draw)
    threshold = torch.rand(5, generator=draw)
    whole, entries = threshold.clone().requires_grad_(), threshold.clone().requires_grad_()
    codes, counts = jumped_and_on(pre, whole, 0.4, False)
    ((codes * weight).sum() + counts.square().sum()).backward()
    flat, on = jumped_and_on(pre.flatten(), entries.repeat(30), 0.4, False)
    ((flat * weight.flatten()).sum() + on.view(30, 5).sum(-1).square().sum()).backward()
    torch.testing.assert_close(entries.grad, whole.grad)
    torch.testing.assert_close(flat.view(30, 5), codes)
