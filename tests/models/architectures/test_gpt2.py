"""GPT-2's own: learned positions, tied embeddings, scores scaled by layer where the config asks for it."""

import torch
import transformers
from oracles.tiny_models import tiny, token_rows

from mechlab.models.huggingface import HuggingFaceModel

TOKENS = token_rows()


def test_the_residual_stream_starts_as_token_plus_position() -> None:
    seen = HuggingFaceModel(tiny("gpt2")).activations(TOKENS, ["embed", "pos_embed", "resid_pre.0"])
    assert torch.equal(seen["embed"] + seen["pos_embed"], seen["resid_pre.0"])
    assert torch.equal(seen["pos_embed"][0], seen["pos_embed"][1])


def test_positions_can_be_edited_in_one_row_only() -> None:
    model = HuggingFaceModel(tiny("gpt2"))
    plain = model.logits(TOKENS)

    def flip_first_row(value: torch.Tensor) -> torch.Tensor:
        return torch.stack([value[0].flip(0), value[1]])

    with model.edit({"pos_embed": flip_first_row}):
        edited = model.logits(TOKENS)
    assert torch.equal(edited[1], plain[1])
    assert not torch.allclose(edited[0], plain[0], atol=0.1)


def test_scores_scaled_by_the_layer_stay_so_in_the_open() -> None:
    config = transformers.GPT2Config(
        vocab_size=61, n_positions=48, n_embd=32, n_layer=3, n_head=4, scale_attn_by_inverse_layer_idx=True
    )
    model = HuggingFaceModel(transformers.GPT2LMHeadModel(config))
    with torch.no_grad():
        plain = model.logits(TOKENS)
        with model.read("scores.2", "q.2", "k.2") as seen:
            torch.testing.assert_close(model.logits(TOKENS), plain, atol=1e-5, rtol=0)
    products = torch.einsum("bqhd,bkhd->bhqk", seen["q.2"], seen["k.2"]) / (8**0.5 * 3)
    visible = seen["scores.2"].isfinite()
    torch.testing.assert_close(seen["scores.2"][visible], products[visible], atol=1e-6, rtol=1e-5)
