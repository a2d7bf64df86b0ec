"""The two TransformerLens backends beside the default one, on tiny models of every family."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
import transformers
from oracles.tiny_models import D_VOCAB, FAMILIES, bridge, hooked_transformer, tiny
from tokenizers import Tokenizer, models
from torch import Tensor

from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.transformerlens import wrap

BACKENDS: dict[str, Callable] = {"hooked_transformer": hooked_transformer, "bridge": bridge}
BOTH = pytest.mark.parametrize("backend", BACKENDS)
# Mistral and Qwen2 take Llama's way through TransformerLens; the others each have one of their own.
SLOW = ("mistral", "qwen2")
EVERY = pytest.mark.parametrize(
    ("family", "backend"),
    [
        pytest.param(family, backend, marks=[pytest.mark.slow] if family in SLOW else [])
        for family in FAMILIES
        for backend in BACKENDS
    ],
)


@cache
def pair(family: str, backend: str) -> tuple[LanguageModel, LanguageModel]:
    """Return one tiny model behind the default backend and behind TransformerLens; leave them as you found them."""
    module = tiny(family)
    return HuggingFaceModel(module), wrap(BACKENDS[backend](module))


def same(found: Tensor, expected: Tensor, message: str = "") -> None:
    """Assert that two libraries agree as far as their order of additions allows."""
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, msg=lambda detail: f"{message}: {detail}")


def bent(value: Tensor) -> Tensor:
    """Return the activation changed in a way that neither norm nor softmax undoes."""
    return value * torch.linspace(0.5, 1.5, value.shape[-1])


def padding_tokenizer(folder: Path) -> transformers.PreTrainedTokenizerBase:
    """Return a tokenizer of words w0..w60 that pads on the left with w5; TransformerLens needs it in a folder."""
    core = Tokenizer(models.WordLevel({f"w{token}": token for token in range(D_VOCAB)}, unk_token="w0"))
    special = {"pad_token": "w5", "bos_token": "w1", "eos_token": "w2", "unk_token": "w0"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=core, padding_side="left", **special).save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)
