"""The spec of a TransformerLens object is that of the Hugging Face model it was made of."""

from types import SimpleNamespace

import pytest
from oracles.backends import EVERY, pair

from mechlab.core.errors import UsageError
from mechlab.models.transformerlens_spec import model_type, spec_of_lens


@EVERY
def test_the_spec_is_that_of_the_default_backend_but_for_the_count_of_parameters(family: str, backend: str) -> None:
    ours, lens = pair(family, backend)
    assert lens.spec.model_copy(update={"n_params": 0}) == ours.spec.model_copy(update={"n_params": 0})


def test_a_model_without_a_residual_stream_to_read_is_refused() -> None:
    without = SimpleNamespace(cfg=SimpleNamespace(), hook_dict={})
    with pytest.raises(UsageError, match=r"only decoder-only language models are supported: 'other'"):
        spec_of_lens(without, "other")


def test_the_name_of_a_hugging_face_class_gives_its_model_type() -> None:
    assert model_type("GPTNeoXForCausalLM") == "gpt_neox"
    assert model_type(None) == "hooked_transformer"
