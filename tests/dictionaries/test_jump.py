"""The jump and its estimated gradient are those SAELens trains with."""

import pytest
import torch
from sae_lens.saes.jumprelu_sae import JumpReLU, Step

from mechlab.dictionaries.jump import jumped, switched_on


@pytest.mark.parametrize("to_input", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), [(jumped, JumpReLU), (switched_on, Step)])
def test_value_and_gradients_are_saelens(ours: object, theirs: object, to_input: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    pre, threshold, weight = (torch.randn(shape, generator=draw) for shape in [(200, 5), (5,), (200, 5)])
    results = []
    for function in (ours, theirs.apply):  # type: ignore[attr-defined]
        leaves = pre.clone().requires_grad_(), threshold.abs().clone().requires_grad_()
        value = function(*leaves, 0.5, to_input)  # type: ignore[operator]
        (value * weight).sum().backward()
        results.append((value, leaves[0].grad, leaves[1].grad))
    assert results[0][2].abs().max() > 0
    for one, other in zip(*results, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)
