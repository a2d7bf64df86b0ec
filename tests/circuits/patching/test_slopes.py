"""Slopes are the gradients that autograd gives at the reference library's own inputs of heads and MLPs."""

import pytest
import torch
from circuits.patching.small_models import small

from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.slopes import gradients_at, slopes, through_norm


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox_parallel"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_they_are_the_gradients_at_every_readers_input(family, elsewhere):
    found = small(family)
    start = None
    if elsewhere:
        start = found.model.activations(found.pairs.corrupted, ["resid_pre.0"])["resid_pre.0"]
    mine = slopes(found.model, found.wiring, found.pairs, LogitDifference(), start)
    wanted = found.lens.slopes(found.pairs, [reader.name for reader in found.wiring.readers], start)
    for place, reader in enumerate(found.wiring.readers):
        assert torch.allclose(mine[:, :, place], wanted[reader.name], atol=found.tolerance), reader.name
    assert all(gradient.abs().max() > 1e-3 for gradient in wanted.values())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_gradient_goes_back_through_a_norm_as_autograd_takes_it(family):
    found = small(family)
    stream = torch.randn(2, 5, 32, dtype=torch.float64, requires_grad=True)
    centred = stream - stream.mean(-1, keepdim=True) if found.wiring.spec.normalization == "LN" else stream
    scale = (centred.square().mean(-1, keepdim=True) + 1e-2).sqrt()
    along = torch.randn(2, 5, 32, dtype=torch.float64)
    (wanted,) = torch.autograd.grad((centred / scale * along).sum(), stream)
    assert torch.allclose(through_norm(along, centred / scale, scale, found.wiring), wanted, atol=1e-12)


def test_a_model_is_left_without_gradients():
    found = small("gpt2")
    gradients, seen = gradients_at(found.model, found.pairs, LogitDifference(), ["result.1"], also=["mlp_out.0"])
    assert set(gradients) == {"result.1"} and {"result.1", "mlp_out.0"} <= set(seen)
    assert not any(value.requires_grad for value in seen.values()) and not found.model.in_use
    assert not found.model.logits(found.pairs.clean).requires_grad
