"""A fingerprint changes with anything that changes logits or tokens, and with nothing else."""

import pytest
import torch
from oracles.tiny_models import tiny
from oracles.word_tokenizer import word_tokenizer

from mechlab.models.fingerprint import fingerprint
from mechlab.models.huggingface import HuggingFaceModel


def test_two_copies_of_a_model_have_one_fingerprint_and_another_seed_another() -> None:
    assert HuggingFaceModel(tiny("gpt2")).fingerprint == HuggingFaceModel(tiny("gpt2")).fingerprint
    assert HuggingFaceModel(tiny("gpt2")).fingerprint != HuggingFaceModel(tiny("gpt2", seed=1)).fingerprint


def test_the_order_and_the_layout_in_memory_of_weights_do_not_matter() -> None:
    module = tiny("gpt2")
    spec, weights = HuggingFaceModel(module).spec, module.state_dict()
    again = {
        name: weights[name].T.contiguous().T if weights[name].ndim == 2 else weights[name] for name in reversed(weights)
    }
    assert fingerprint(weights, spec, module.config, None) == fingerprint(again, spec, module.config, None)


@pytest.mark.parametrize("change", ["one bit", "name", "shape", "dtype", "rope", "eps", "spec", "tokenizer"])
def test_any_change_shows(change: str) -> None:
    module = tiny("llama")
    spec, weights, config = HuggingFaceModel(module).spec, module.state_dict(), module.config
    tokenizer = word_tokenizer("one two three")
    before = fingerprint(weights, spec, config, tokenizer)
    norm = "model.norm.weight"
    if change == "one bit":
        weights[norm].view(torch.int32)[3] ^= 1
    elif change == "name":
        weights["other"] = weights.pop(norm)
    elif change == "shape":
        weights[norm] = weights[norm].reshape(2, 16)
    elif change == "dtype":
        weights[norm] = weights[norm].view(torch.int32)
    elif change == "rope":
        config.rope_parameters = config.rope_parameters | {"rope_theta": 500.0}
    elif change == "eps":
        config.rms_norm_eps = 1e-3
    elif change == "spec":
        spec = spec.model_copy(update={"n_ctx": 7})
    else:
        tokenizer = None
    assert fingerprint(weights, spec, config, tokenizer) != before


def test_what_a_library_merely_remembers_does_not_show() -> None:
    module = tiny("llama")
    before = HuggingFaceModel(module).fingerprint
    module.config.transformers_version, module.config._name_or_path = "0.0", "elsewhere"
    module.config.use_cache = False
    assert HuggingFaceModel(module).fingerprint == before


def test_bfloat16_weights_have_a_fingerprint() -> None:
    assert len(HuggingFaceModel(tiny("gpt2").bfloat16()).fingerprint) == 64
