"""The Llama family's own: grouped keys and values, a gate, and Qwen3's norms on queries and keys."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.models.huggingface import HuggingFaceModel

TOKENS = token_rows()


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_keys_and_values_have_their_own_number_of_heads(family: str) -> None:
    model = HuggingFaceModel(tiny(family))
    seen = model.activations(TOKENS, ["q.0", "k.0", "v.0", "z.0", "rot_k.0"])
    assert [seen[f"{kind}.0"].shape[2] for kind in ("q", "k", "v", "z", "rot_k")] == [4, 2, 2, 4, 2]


def test_a_key_head_serves_its_group_of_queries() -> None:
    model = HuggingFaceModel(tiny("llama"))
    plain = model.activations(TOKENS, ["pattern.0"])["pattern.0"]

    def silence_second_key(value: torch.Tensor) -> torch.Tensor:
        value[:, :, 1] = 0
        return value

    with model.edit({"k.0": silence_second_key}):
        edited = model.activations(TOKENS, ["pattern.0"])["pattern.0"]
    assert torch.equal(edited[:, :2], plain[:, :2])
    uniform = torch.ones(20, 20).tril() / torch.arange(1, 21)[:, None]
    torch.testing.assert_close(edited[:, 2:], uniform.expand_as(edited[:, 2:]))


def test_neurons_are_the_gates_nonlinearity_times_the_linear_part() -> None:
    seen = HuggingFaceModel(tiny("llama")).activations(TOKENS, ["mlp_pre.1", "mlp_pre_linear.1", "mlp_post.1"])
    made = torch.nn.functional.silu(seen["mlp_pre.1"]) * seen["mlp_pre_linear.1"]
    torch.testing.assert_close(made, seen["mlp_post.1"])


def test_qwen3_rotates_what_its_norms_let_through() -> None:
    model = HuggingFaceModel(tiny("qwen3"))
    assert model.spec.qk_norm
    seen = model.activations(TOKENS, ["q.0", "q_norm_scale.0", "q_norm_normalized.0", "rot_q.0"])
    torch.testing.assert_close(seen["q_norm_normalized.0"], seen["q.0"] / seen["q_norm_scale.0"])
    gained = seen["q_norm_normalized.0"] * model.layout.blocks[0].q_norm.gain()  # type: ignore[union-attr]
    torch.testing.assert_close(gained[:, 0], seen["rot_q.0"][:, 0])
