"""Any TransformerLens language model can be wrapped, with the tokenizer it has; nothing else can."""

from pathlib import Path

import pytest
import torch
from oracles.backends import padding_tokenizer
from oracles.tiny_models import hooked_transformer, tiny

from mechlab.core.errors import UsageError
from mechlab.models.transformerlens import wrap


def test_a_wrapped_model_speaks_through_its_tokenizer(tmp_path: Path) -> None:
    lens = wrap(hooked_transformer(tiny("gpt2"), padding_tokenizer(tmp_path)), name="mine")
    assert (lens.name, lens.bos_id, lens.to_tokens("w7").tolist()) == ("mine", 1, [[1, 7]])


def test_another_object_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'Linear'\. Pass a HookedTransformer"):
        wrap(torch.nn.Linear(2, 2))
