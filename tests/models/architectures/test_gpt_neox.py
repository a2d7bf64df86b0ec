"""GPT-NeoX's own: attention and MLP side by side, or one after the other."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UnknownName
from mechlab.models.huggingface import HuggingFaceModel

TOKENS = token_rows()


def test_a_parallel_block_has_no_middle_and_says_what_it_has() -> None:
    model = HuggingFaceModel(tiny("neox_parallel"))
    assert model.spec.parallel
    calls = [
        lambda: model.activations(TOKENS, ["resid_mid.0"]),
        lambda: model.read("blocks.0.hook_resid_mid").__enter__(),
        lambda: model.edit({"resid_mid.0": torch.neg}).__enter__(),
    ]
    for call in calls:
        with pytest.raises(UnknownName, match=r"no such site: '.*resid_mid.*'. Sites: .*resid_p"):
            call()


@pytest.mark.parametrize("family", ["neox_parallel", "neox_sequential"])
def test_a_block_adds_attention_and_mlp_to_its_input(family: str) -> None:
    model = HuggingFaceModel(tiny(family))
    seen = model.activations(TOKENS, ["resid_pre.1", "attn_out.1", "mlp_out.1", "resid_post.1"])
    total = seen["resid_pre.1"] + seen["attn_out.1"] + seen["mlp_out.1"]
    torch.testing.assert_close(total, seen["resid_post.1"], atol=1e-5, rtol=0)


def test_the_mlp_of_a_parallel_block_does_not_see_attention() -> None:
    model = HuggingFaceModel(tiny("neox_parallel"))
    plain = model.activations(TOKENS, ["mlp_out.0"])["mlp_out.0"]
    with model.edit({"attn_out.0": torch.zeros_like}):
        assert torch.equal(model.activations(TOKENS, ["mlp_out.0"])["mlp_out.0"], plain)


def test_only_a_part_of_each_head_is_rotated() -> None:
    model = HuggingFaceModel(tiny("neox_sequential"))
    seen = model.activations(TOKENS, ["q.0", "rot_q.0"])
    assert torch.equal(seen["q.0"][..., 4:], seen["rot_q.0"][..., 4:])
    assert not torch.allclose(seen["q.0"][:, 1:, :, :4], seen["rot_q.0"][:, 1:, :, :4], atol=1e-3)
