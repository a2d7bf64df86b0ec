"""A HookedTransformer's own habits do not show: padding, folded weights, models without MLP or norm."""

from pathlib import Path

import torch
from oracles.backends import padding_tokenizer, same
from oracles.tiny_models import hooked_transformer, tiny, token_rows
from transformer_lens import HookedTransformer, HookedTransformerConfig

from mechlab.models.transformerlens import wrap


def test_padding_tokens_inside_a_row_are_read_like_any_other(tmp_path: Path) -> None:
    module, rows = tiny("gpt2"), token_rows().clone()
    rows[:, :3] = 5
    same(wrap(hooked_transformer(module, padding_tokenizer(tmp_path))).logits(rows), module(rows).logits)


def test_an_attention_only_model_without_norms_is_read_and_edited() -> None:
    config = HookedTransformerConfig(
        n_layers=2, d_model=16, d_head=4, n_ctx=8, d_vocab=61, attn_only=True, normalization_type=None, seed=0
    )
    model = HookedTransformer(config)
    lens = wrap(model)
    assert lens.weights().W_in.shape == (2, 16, 0)
    assert not any(name.startswith(("mlp", "resid_mid", "ln")) for name in lens.sites())
    stream = lens.activations(token_rows(1, 6), ["resid_pre.1", "attn_out.1", "resid_post.1"])
    same(stream["resid_pre.1"] + stream["attn_out.1"], stream["resid_post.1"])
    with lens.edit({"attn_out.0": torch.zeros_like, "attn_out.1": torch.zeros_like}):
        direct = (model.W_E[token_rows(1, 6)] + model.W_pos[:6]) @ model.W_U + model.b_U
        same(lens.logits(token_rows(1, 6)), direct)


def test_processing_of_a_hooked_transformer_is_found_in_its_weights() -> None:
    module = tiny("qwen2")
    assert wrap(hooked_transformer(module)).processing == ()
    found = wrap(hooked_transformer(module, fold_ln=True, center_unembed=True, fold_value_biases=True)).processing
    assert found == ("fold_norm", "center_unembed", "fold_value_biases")
