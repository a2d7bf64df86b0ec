"""GELU in one pass: the same function, in place of transformers' own and of no other."""

import pytest
import torch
from transformers.activations import ACT2FN

from mechlab.models.gelu import gelu_in_one_pass


@pytest.mark.parametrize("name", ["gelu_new", "gelu_fast"])
def test_the_tanh_forms_become_one_function_of_the_same_values(name: str) -> None:
    x = torch.linspace(-12, 12, 4001)
    module = torch.nn.Sequential(torch.nn.Sequential(ACT2FN[name]))
    before = module(x)
    assert gelu_in_one_pass(module) is module
    assert type(module[0][0]) is torch.nn.GELU
    torch.testing.assert_close(module(x), before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["gelu", "relu", "silu", "quick_gelu"])
def test_other_functions_stay(name: str) -> None:
    module = torch.nn.Sequential(ACT2FN[name])
    gelu_in_one_pass(module)
    assert type(module[0]) is type(ACT2FN[name])
