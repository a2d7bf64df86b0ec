"""A projection reads the same whatever its class and however it is fused."""

import pytest
import torch
from oracles.tiny_models import FAMILIES, hooked_transformer, tiny
from torch import nn
from transformers.pytorch_utils import Conv1D

from mechlab.models.architectures.layout import HeadProjection, Norm, linear_bias, linear_weight
from mechlab.models.huggingface import HuggingFaceModel


@pytest.mark.parametrize("module", [nn.Linear(3, 5), nn.Linear(3, 5, bias=False), Conv1D(5, 3)])
def test_a_projection_multiplies_from_the_right(module: nn.Module) -> None:
    given = torch.randn(2, 3)
    torch.testing.assert_close(given @ linear_weight(module) + linear_bias(module), module(given))


@pytest.mark.parametrize("by_head", [True, False])
def test_the_parts_of_a_fused_projection_are_its_output_and_its_columns(by_head: bool) -> None:
    module = nn.Linear(6, 2 * 3 * 4)
    given = torch.randn(5, 6)
    seen = []
    for part in range(3):
        projection = HeadProjection(module, n_heads=2, d_head=4, part=part, n_parts=3, by_head=by_head)
        of_output = projection.heads(module(given))
        of_weights = torch.einsum("pm,hmd->phd", given, projection.weight()) + projection.bias()
        torch.testing.assert_close(of_output, of_weights)
        seen += of_output.flatten().tolist()
    assert sorted(seen) == sorted(module(given).flatten().tolist())


@pytest.mark.parametrize("family", FAMILIES)
def test_heads_of_every_family_are_those_of_transformerlens(family: str) -> None:
    module = tiny(family)
    block, reference = HuggingFaceModel(module).layout.blocks[1], hooked_transformer(module).blocks[1].attn
    n_repeats = block.q.n_heads // block.k.n_heads
    for ours, name in ((block.q, "Q"), (block.k, "K"), (block.v, "V")):
        repeats = 1 if name == "Q" else n_repeats
        assert torch.equal(ours.weight().repeat_interleave(repeats, 0), getattr(reference, f"W_{name}"))
        assert torch.equal(ours.bias().repeat_interleave(repeats, 0), getattr(reference, f"b_{name}"))


def test_a_gain_stored_as_what_exceeds_one_is_the_gain() -> None:
    norm = nn.LayerNorm(3)
    assert torch.equal(Norm(norm, "LN", 1e-5, gain_offset=1.0).gain(), torch.full((3,), 2.0))
    assert Norm(norm, "LN", 1e-5).gain() is norm.weight
    assert Norm(nn.RMSNorm(3), "RMS", 1e-5).bias() is None
