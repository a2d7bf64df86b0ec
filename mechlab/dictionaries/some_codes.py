"""Codes of some features alone: where features do not compete, only these are encoded.

1. The encoder's rows of the features, and whatever else a kind keeps for each feature, are taken out; the centre goes
   into the bias.
2. What the kind makes of pre-activations it makes of these.
3. Where codes compete for their place (TopK) or a dictionary is of several layers, all are encoded and these picked.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import linear

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.layered import Layered


@torch.no_grad()
def encoder_of(dictionary: Dictionary[Any], features: Int[Tensor, "n"]) -> Callable[[Tensor], Tensor]:
    """Return what gives, of each vector, the codes of these features in this order; weights are copied now."""
    if dictionary.codes_compete or isinstance(dictionary, Layered):
        return lambda x: dictionary.encode(x)[..., features]
    few, width = copy.copy(dictionary), dictionary.config.d_in
    for held in ("_parameters", "_buffers"):
        of_all = getattr(dictionary, held).items()
        setattr(few, held, {name: _of(features, value, name in dictionary.undivided) for name, value in of_all})
    rows, bias, centre = few.encoder.detach(), few.b_enc.detach(), few.centre
    bias = bias if centre is None else bias - rows @ centre.detach()

    def codes(x: Tensor) -> Tensor:
        return few.activate(linear(x.reshape(-1, width), rows, bias)).reshape(*x.shape[:-1], -1)

    return codes


def _of(features: Tensor, value: Tensor | None, undivided: bool) -> Tensor | None:
    """Return what a parameter or buffer holds for some features; all of it, where it holds nothing for single ones."""
    if value is None or undivided or value.ndim == 0:
        return value
    return torch.nn.Parameter(value.detach()[features], requires_grad=False)
