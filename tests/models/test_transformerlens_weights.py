"""A TransformerLens object's weights are those of the default backend, its gaps filled."""

import math

import torch
from oracles.backends import EVERY, pair
from oracles.tiny_models import bridge, tiny
from torch import Tensor

from mechlab.models.transformerlens import wrap


@EVERY
def test_weights_are_those_of_the_default_backend(family: str, backend: str) -> None:
    ours, lens = (model.weights() for model in pair(family, backend))
    for one, other in [(ours, lens), *zip(ours.layers, lens.layers, strict=True)]:
        for name in one.__dataclass_fields__:
            expected, found = getattr(one, name), getattr(other, name)
            if isinstance(expected, Tensor):
                torch.testing.assert_close(found, expected, atol=1e-6, rtol=0, msg=name)
            elif name != "layers":
                assert found is None, name


def test_the_scale_of_a_wrapped_gemma_embedding_is_in_its_weights() -> None:
    module = tiny("gemma2")
    expected = module.get_input_embeddings().weight * math.sqrt(module.config.hidden_size)
    torch.testing.assert_close(wrap(bridge(module)).weights().W_E, expected)
