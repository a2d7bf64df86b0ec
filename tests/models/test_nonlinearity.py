"""The nonlinearity is the one that stands between a neuron's two sites."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UnknownName
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.nonlinearity import nonlinearity


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama", "gemma2"])
def test_it_is_what_a_neuron_goes_through(family):
    model = HuggingFaceModel(tiny(family))
    names = ["mlp_pre.1", "mlp_post.1", *["mlp_pre_linear.1"] * model.spec.gated_mlp]
    seen = model.activations(token_rows(1, 5), names)
    gates = seen["mlp_pre_linear.1"] if model.spec.gated_mlp else 1
    assert torch.allclose(nonlinearity(model.spec)(seen["mlp_pre.1"]) * gates, seen["mlp_post.1"], atol=1e-6)


def test_an_unknown_name_is_refused():
    spec = HuggingFaceModel(tiny("gpt2")).spec.model_copy(update={"activation": "gelu_of_tomorrow"})
    with pytest.raises(UnknownName, match="nonlinearity is not known: 'gelu_of_tomorrow'"):
        nonlinearity(spec)
