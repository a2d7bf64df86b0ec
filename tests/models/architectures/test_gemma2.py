"""Gemma-2's own: outputs normalized before they join the stream, soft caps, windows in every other layer."""

import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.models.huggingface import HuggingFaceModel

TOKENS = token_rows()


def test_what_joins_the_stream_is_what_the_norm_after_attention_lets_out() -> None:
    model = HuggingFaceModel(tiny("gemma2"))
    seen = model.activations(
        TOKENS, ["resid_pre.1", "attn_out.1", "resid_mid.1", "mlp_out.1", "resid_post.1", "result.1"]
    )
    torch.testing.assert_close(seen["resid_pre.1"] + seen["attn_out.1"], seen["resid_mid.1"])
    torch.testing.assert_close(seen["resid_mid.1"] + seen["mlp_out.1"], seen["resid_post.1"])
    assert not torch.allclose(seen["result.1"].sum(2), seen["attn_out.1"], atol=0.1)


def test_scores_and_logits_stay_below_their_caps() -> None:
    model = HuggingFaceModel(tiny("gemma2"))
    with model.edit({"q.0": lambda value: 1e3 * value}):
        scores = model.activations(TOKENS, ["scores.0"])["scores.0"]
    assert 4.9 < scores[scores.isfinite()].abs().max() <= 5.0
    with model.edit({"unembed_out": lambda value: 1e3 * value}):
        assert 2.9 < model.logits(TOKENS).abs().max() <= 3.0


def test_every_other_layer_sees_a_window_only() -> None:
    seen = HuggingFaceModel(tiny("gemma2")).activations(TOKENS, ["pattern.0", "pattern.1"])
    assert seen["pattern.0"][..., 19, :13].abs().max() == 0
    assert seen["pattern.1"][..., 19, :13].abs().max() > 0


def test_the_embedding_is_read_with_its_scale() -> None:
    model = HuggingFaceModel(tiny("gemma2"))
    embed = model.activations(TOKENS, ["embed"])["embed"]
    torch.testing.assert_close(embed, model.layout.embed.weight[TOKENS] * 32**0.5)  # type: ignore[index]
