"""The nonlinearity of a model's MLPs, by the name its spec has for it."""

from collections.abc import Callable

from torch import Tensor, nn
from transformers.activations import ACT2FN

from mechlab.core.errors import UnknownName
from mechlab.models.gelu import gelu_in_one_pass
from mechlab.models.spec import ModelSpec


def nonlinearity(spec: ModelSpec) -> Callable[[Tensor], Tensor]:
    """Return the function each neuron goes through, or its gate where there are gates; autograd goes through it.

    Raises:
        UnknownName: the spec's name stands for no known function.
    """
    if spec.activation not in ACT2FN:
        remedy = "Take a model whose config names one of Hugging Face's activation functions."
        raise UnknownName("nonlinearity is not known", value=spec.activation, remedy=remedy)
    return gelu_in_one_pass(nn.Sequential(ACT2FN[spec.activation]))
