"""What every change of weights starts from: a copy of the module, with an unembedding and biases of its own."""

import copy
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mechlab.core.errors import UsageError
from mechlab.models.architectures.layout import Layout, linear_bias
from mechlab.models.huggingface import HuggingFaceModel


def module_copy(model: HuggingFaceModel) -> Any:
    """Return a copy of the model's module, to be changed.

    Raises:
        UsageError: an edit or a reading is open, which the copy would keep.
    """
    if model.in_use:
        raise UsageError("model has an open edit or reading", value=model.name, remedy="Copy it outside the context.")
    return copy.deepcopy(model.module)


def untie(module: Any, layout: Layout) -> None:
    """Give the unembedding its own memory, so that it and the embedding can be changed differently."""
    unembed: Any = layout.unembed
    if unembed.weight is layout.embed.weight:
        unembed.weight = nn.Parameter(unembed.weight.detach().clone(), unembed.weight.requires_grad)
        module.config.tie_word_embeddings = False


def own_bias(module: nn.Module) -> Float[Tensor, "d_out"]:
    """Return a projection's bias, which it is given if it has none; zeros at first."""
    part: Any = module
    if part.bias is None:
        part.bias = nn.Parameter(linear_bias(module), requires_grad=False)
    return part.bias
