"""What heads hand on, token by token, sums to what they write."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.observables.value_paths import handed_on, mixed, values_of
from mechlab.models.huggingface import HuggingFaceModel


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama"])
def test_tokens_sum_to_what_a_head_writes(family):
    model = HuggingFaceModel(tiny(family).double())
    seen = model.activations(token_rows(3, 7), ["v.1", "pattern.1", "result.1", "z.1"])
    values, own = values_of(seen["v.1"], 4), model.weights().layers[1]
    assert torch.allclose(mixed(values, seen["pattern.1"]), seen["z.1"], atol=1e-12)
    directions = torch.randn(3, 32, dtype=torch.float64)
    found = handed_on(own, directions, values, seen["pattern.1"][:, :, 5])
    wanted = torch.einsum("nd,nhd->nh", directions, seen["result.1"][:, 5])
    assert torch.allclose(found.sum(-1), wanted, atol=1e-12) and not found[..., 6].any()
    # One token alone: what the head writes when the others' values are nothing.
    alone = torch.zeros_like(values)
    alone[:, 2] = values[:, 2]
    written = torch.einsum("nhe,hed,nd->nh", mixed(alone, seen["pattern.1"])[:, 5], own.W_O, directions)
    assert torch.allclose(found[..., 2], written, atol=1e-12)
