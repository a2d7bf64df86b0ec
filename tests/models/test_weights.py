"""Weights carry the names, shapes and numbers of TransformerLens, and share the model's memory where they can."""

import re

import pytest
import torch
from oracles.tiny_models import FAMILIES, N_HEADS, N_KV_HEADS, hooked_transformer, tiny

from mechlab.models.architectures import ARCHITECTURES
from mechlab.models.weights import Weights, weights_of

STACKED = ["W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O", "W_in", "W_gate", "W_out", "b_in", "b_out"]
NORM_KEY = re.compile(r"blocks\.(\d+)\.(?:attn\.)?(ln1|ln2|ln1_post|ln2_post|q_norm|k_norm)\.([wb])$")
GROUPED = ["llama", "mistral", "qwen2", "qwen3", "gemma2"]


def _weights(hf_model: object) -> Weights:
    return weights_of(ARCHITECTURES[hf_model.config.model_type](hf_model))  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_equal_the_accessors_of_transformerlens(family: str) -> None:
    model = tiny(family)
    ours, reference = _weights(model), hooked_transformer(model)
    names = [name for name in STACKED if name != "W_gate" or reference.cfg.gated_mlp] + ["W_E", "W_U", "b_U"]
    for name in names + ["W_pos"] * (family == "gpt2"):
        torch.testing.assert_close(getattr(ours, name), getattr(reference, name), atol=1e-6, rtol=0, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_norm_gains_and_biases_equal_those_of_transformerlens(family: str) -> None:
    model = tiny(family)
    ours, reference = _weights(model), hooked_transformer(model).state_dict()
    norms = {key: found for key in reference if (found := NORM_KEY.match(key))}
    assert len(norms) >= 2 * len(ours.layers)
    for key, found in norms.items():
        value = getattr(ours.layers[int(found[1])], f"{found[2]}_{found[3]}")
        torch.testing.assert_close(value, reference[key], atol=1e-6, rtol=0, msg=key)
    torch.testing.assert_close(ours.ln_final_w, reference["ln_final.w"], atol=1e-6, rtol=0)


def test_a_norm_without_bias_has_bias_zero_and_an_absent_norm_is_none() -> None:
    ours = _weights(tiny("llama"))
    assert not ours.ln_final_b.any() and not ours.layers[0].ln1_b.any() and not ours.layers[0].ln2_b.any()
    assert ours.layers[0].ln1_post_w is None and ours.layers[0].q_norm_w is None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layers_weights_are_views_of_the_model(family: str) -> None:
    model = tiny(family)
    memory = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    names = ["W_Q", "W_O", "W_in", "W_out"] + ["W_K", "W_V"] * (family not in GROUPED)
    for weights in _weights(model).layers:
        assert [name for name in names if getattr(weights, name).untyped_storage().data_ptr() not in memory] == []


def test_writing_through_a_view_edits_the_right_head_of_the_model() -> None:
    model = tiny("neox_parallel")
    before = hooked_transformer(model).W_V
    _weights(model).layers[1].W_V[2].mul_(2)
    ratio = (hooked_transformer(model).W_V / before).mean((-1, -2))
    expected = torch.ones_like(ratio)
    expected[1, 2] = 2
    torch.testing.assert_close(ratio, expected)


@pytest.mark.parametrize("family", GROUPED)
def test_neighbouring_query_heads_share_their_key_and_value_head(family: str) -> None:
    for weights in _weights(tiny(family)).layers:
        pairs = weights.W_K.unflatten(0, (N_KV_HEADS, N_HEADS // N_KV_HEADS))
        assert torch.equal(pairs[:, 0], pairs[:, 1])
        assert not torch.equal(pairs[0], pairs[1])


def test_weights_ask_for_no_gradient() -> None:
    model = tiny("gpt2").requires_grad_(True)
    assert not any(getattr(_weights(model), name).requires_grad for name in ("W_Q", "W_E", "W_U", "b_U", "ln_final_w"))
