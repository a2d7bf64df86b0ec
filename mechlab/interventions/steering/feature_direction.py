"""What a feature of a dictionary adds to the reconstruction, as a direction to steer along."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError


@runtime_checkable
class Decoder(Protocol):
    """Whatever makes vectors of codes, one row of `W_dec` per feature."""

    @property
    def W_dec(self) -> Float[Tensor, "d_sae d_out"]:
        """One direction per feature."""
        ...

    def decode(self, codes: Float[Tensor, "*batch d_sae"]) -> Float[Tensor, "*batch d_out"]:
        """Return the vectors that codes stand for."""
        ...


@torch.no_grad()
def feature_direction(dictionary: Decoder, feature: int, *, unit: bool = True) -> Float[Tensor, "d_out"]:
    """Return what a feature adds to the reconstruction, scaled to norm 1.

    Args:
        dictionary: whose feature.
        feature: its number.
        unit: False leaves the norm: what one unit of the feature's activation adds.

    Raises:
        UsageError: the dictionary has no such feature, or its direction is zero and cannot have norm 1.
    """
    n_features = len(dictionary.W_dec)
    if not 0 <= feature < n_features:
        raise UsageError("no such feature", value=feature, remedy=f"Features are 0..{n_features - 1}.")
    codes = torch.zeros(2, n_features, dtype=dictionary.W_dec.dtype, device=dictionary.W_dec.device)
    codes[0, feature] = 1
    one, none = dictionary.decode(codes)
    norm = (one - none).norm()
    if unit and norm == 0:
        raise UsageError("feature has no direction", value=feature, remedy="Its decoder row is zero; take another.")
    return (one - none) / norm if unit else one - none
