"""The spec of a TransformerLens object is that of the Hugging Face model it was made of."""

import pytest
import transformers
from oracles.backends import EVERY, pair
from oracles.tiny_models import bridge

from mechlab.core.errors import UsageError
from mechlab.models.transformerlens import wrap


@EVERY
def test_the_spec_is_that_of_the_default_backend_but_for_the_count_of_parameters(family: str, backend: str) -> None:
    ours, lens = pair(family, backend)
    assert lens.spec.model_copy(update={"n_params": 0}) == ours.spec.model_copy(update={"n_params": 0})


def test_a_model_that_reads_both_ways_is_refused() -> None:
    config = transformers.BertConfig(
        vocab_size=61, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48
    )
    with pytest.raises(UsageError, match=r"only decoder-only language models are supported: 'bert'"):
        wrap(bridge(transformers.BertForMaskedLM(config).eval()))
