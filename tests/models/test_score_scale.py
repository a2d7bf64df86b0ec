"""The factor of scores is what the model's scores are over its products of queries and keys."""

import pytest
import torch
import transformers as hf
from oracles.tiny_models import tiny, token_rows
from oracles.toy_model import ToyModel

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.score_scale import score_scale


def ratio(model: HuggingFaceModel, layer: int) -> torch.Tensor:
    names = [f"{kind}.{layer}" for kind in (("rot_q", "rot_k") if model.spec.positional == "rotary" else ("q", "k"))]
    found = model.activations(token_rows(1, 5), [*names, f"scores.{layer}"])
    query, key = (found[name][0] for name in names)
    key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    return (found[f"scores.{layer}"][0] / torch.einsum("qhd,khd->hqk", query, key))[:, -1]


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox_parallel", "qwen3"])
def test_scores_are_products_times_the_factor(family):
    model = HuggingFaceModel(tiny(family).double())
    assert torch.allclose(ratio(model, 1), torch.tensor(score_scale(model, 1), dtype=torch.float64), rtol=1e-4)


def test_a_factor_of_the_layer_s_own_is_seen():
    config = hf.GPT2Config(vocab_size=61, n_embd=32, n_layer=2, n_head=4, scale_attn_by_inverse_layer_idx=True)
    model = HuggingFaceModel(hf.GPT2LMHeadModel(config).double().eval())
    assert score_scale(model, 1) == score_scale(model, 0) / 2
    assert torch.allclose(ratio(model, 1), torch.tensor(score_scale(model, 1), dtype=torch.float64), rtol=1e-4)


def test_another_library_s_model_is_refused():
    with pytest.raises(UsageError, match="read from Hugging Face models"):
        score_scale(ToyModel(), 0)
