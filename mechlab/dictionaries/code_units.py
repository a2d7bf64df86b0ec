"""What a code is made from and what it stands for, feature by feature, in the unit in which codes are given."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.kept import KeptDictionary

Features = Int[Tensor, "n"]


def code_units(dictionary: Dictionary, features: Features) -> Float[Tensor, "n"]:
    """Return how many times its linear part a code is: the decoder's norm where kinds compare codes so, else 1."""
    if isinstance(dictionary, KeptDictionary) and dictionary.config.rescale_acts_by_decoder_norm:
        return dictionary.decoder_norms()[features].detach()
    return torch.ones(len(features), dtype=dictionary.b_enc.dtype, device=dictionary.b_enc.device)


def readers(dictionary: Dictionary, features: Features) -> tuple[Float[Tensor, "n d_in"], Float[Tensor, "n"]]:
    """Return rows and biases that give, with an input, the features' codes where they are on."""
    units, rows = code_units(dictionary, features), dictionary.encoder.detach()[features]
    bias = dictionary.b_enc.detach()[features]
    if dictionary.centre is not None:
        bias = bias - rows @ dictionary.centre.detach()
    return rows * units[:, None], bias * units


def writers(dictionary: Dictionary, features: Features) -> Float[Tensor, "n d_out"]:
    """Return what a code of 1 adds to the reconstruction, by feature."""
    return dictionary.W_dec.detach()[features] / code_units(dictionary, features)[:, None]
