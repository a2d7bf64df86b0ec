"""An MLP made from weights is the library's module, and its slope autograd's."""

import pytest
import torch
from oracles.tiny_models import tiny

from mechlab.circuits.observables.parts import parts_of
from mechlab.models.huggingface import HuggingFaceModel

BLOCKS = {"gpt2": lambda m: m.transformer.h, "neox_parallel": lambda m: m.gpt_neox.layers}


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama", "qwen2"])
@pytest.mark.parametrize("layer", [0, 2])
def test_it_is_the_librarys_mlp_and_its_gradient(family, layer):
    hf_model = tiny(family).double()
    module = BLOCKS.get(family, lambda m: m.model.layers)(hf_model)[layer].mlp
    generator = torch.Generator().manual_seed(layer)
    read, direction = (torch.randn(4, 32, generator=generator, dtype=torch.float64) for _ in range(2))
    mlp = parts_of(HuggingFaceModel(hf_model)).mlp(layer)
    assert torch.allclose(mlp(read), module(read), atol=1e-12)
    own = read.clone().requires_grad_()
    wanted = torch.autograd.grad((module(own) * direction).sum(), own)[0]
    assert torch.allclose(mlp.pulled(direction, read), wanted, atol=1e-12)
    with torch.no_grad():
        assert torch.equal(mlp.pulled(direction, read), mlp.pulled(direction, read))
