"""RMSNorm in one call gives the library's numbers bit for bit, in every model it stands in, and stands for no other."""

import copy

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.models.rms_norm import OneCallRMSNorm, rms_norm_in_one_call

KIN = ("llama", "mistral", "qwen2", "qwen3")


def n_replaced(module) -> int:
    return sum(isinstance(one, OneCallRMSNorm) for one in module.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("family", KIN)
@torch.no_grad()
def test_the_logits_are_the_librarys_bit_for_bit(family, dtype):
    own = tiny(family).to(dtype)
    expected = own(token_rows()).logits
    changed = rms_norm_in_one_call(copy.deepcopy(own))
    assert n_replaced(changed) >= 2 * 3 + 1
    assert torch.equal(changed(token_rows()).logits, expected)
    assert list(changed.state_dict()) == list(own.state_dict())


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "gemma2"])
def test_other_norms_stay(family):
    module = tiny(family)
    assert rms_norm_in_one_call(module) is module and n_replaced(module) == 0


def test_gradients_are_the_librarys():
    module = tiny("llama").model.norm
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    gradients = [torch.autograd.grad(norm(x).pow(3).sum(), x)[0] for norm in (module, OneCallRMSNorm(module))]
    torch.testing.assert_close(*gradients)
