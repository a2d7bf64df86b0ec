"""A spec says a model's sizes; they are measured on the model itself."""

import pytest
from oracles.tiny_models import FAMILIES, hooked_transformer, tiny

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.spec import ModelSpec


@pytest.mark.parametrize("family", FAMILIES)
def test_the_sizes_are_those_transformerlens_is_told(family: str) -> None:
    module = tiny(family)
    spec, reference = HuggingFaceModel(module).spec, hooked_transformer(module).cfg
    for name in ("n_layers", "d_model", "n_heads", "d_head", "d_mlp", "d_vocab", "n_ctx", "gated_mlp"):
        assert getattr(spec, name) == getattr(reference, name), name
    assert spec.n_kv_heads == (reference.n_key_value_heads or reference.n_heads)
    assert spec.normalization == reference.normalization_type
    assert spec.positional == {"standard": "learned"}.get(reference.positional_embedding_type, "rotary")
    assert spec.parallel == reference.parallel_attn_mlp
    assert spec.post_norms == reference.use_normalization_before_and_after
    assert spec.qk_norm == reference.use_qk_norm
    assert spec.activation == reference.act_fn
    assert spec.n_params == sum(p.numel() for p in {id(p): p for p in module.parameters()}.values())


def test_a_spec_refuses_sizes_that_cannot_be() -> None:
    sizes = {
        "n_layers": 0,
        "d_model": 8,
        "n_heads": 2,
        "n_kv_heads": 2,
        "d_head": 4,
        "d_mlp": 0,
        "d_vocab": 5,
        "n_ctx": 4,
    }
    with pytest.raises(ConfigError, match="n_layers"):
        build(ModelSpec, {"architecture": "gpt2"} | sizes)
