"""Which layers, or which of several models, a crosscoder's feature lives in, by the norms of its decoders.

1. A feature's norm at each layer, divided by their sum, says where it lives.
2. Nearly all of the sum at one layer: the feature is exclusive to it. A fair share everywhere: it is shared.
3. A direction that only looks exclusive betrays itself: the other layer's vectors still hold it whenever it is on.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.dictionaries.layers import split_layers

EXCLUSIVE_FROM = 0.9
SHARED_FROM = 0.8


@dataclass(frozen=True)
class Sharing:
    """Which features every layer shares, and which are one layer's own; the others are neither."""

    shared: Bool[Tensor, "d_sae"]
    exclusive: Bool[Tensor, "d_sae n_layers"]


def layer_norms(W_dec: Float[Tensor, "d_sae d_out"], n_layers: int) -> Float[Tensor, "d_sae n_layers"]:
    """Return the norm of each feature's direction at each layer."""
    return split_layers(W_dec, n_layers).norm(dim=-1)


def relative_norms(W_dec: Float[Tensor, "d_sae d_out"], n_layers: int) -> Float[Tensor, "d_sae n_layers"]:
    """Return each layer's share of a feature's decoder norms; a feature without a direction has equal shares.

    Source: Lindsey et al. 2024, "Sparse Crosscoders", section "Model Diffing", for two models: the share of the second.
    """
    norms = layer_norms(W_dec, n_layers)
    total = norms.sum(-1, keepdim=True)
    return torch.where(total > 0, norms / total, 1 / n_layers)


def layer_cosines(W_dec: Float[Tensor, "d_sae d_out"], n_layers: int) -> Float[Tensor, "d_sae n_layers n_layers"]:
    """Return the cosines between a feature's directions at different layers; 0 where one has none.

    Source: Lindsey et al. 2024, "Sparse Crosscoders", section "Model Diffing": shared features mostly point alike.
    """
    directions = torch.nn.functional.normalize(split_layers(W_dec, n_layers), dim=-1)
    return directions @ directions.mT


def sharing(
    relative: Float[Tensor, "d_sae n_layers"], exclusive_from: float = EXCLUSIVE_FROM, shared_from: float = SHARED_FROM
) -> Sharing:
    """Return which features are shared and which exclusive.

    Args:
        relative: each layer's share of a feature's norms.
        exclusive_from: the share from which on one layer owns the feature.
        shared_from: what each layer of a shared feature has at least, as a part of an equal share; for two layers 0.8
            means shares of 0.4 to 0.6.

    Source: Minder et al. 2025, "Overcoming Sparsity Artifacts in Crosscoders", who cut at 0.1, 0.4, 0.6 and 0.9 for two
    models; the form for more layers is ours.
    """
    n_layers = relative.shape[1]
    exclusive = relative >= exclusive_from if n_layers > 1 else torch.zeros_like(relative, dtype=torch.bool)
    return Sharing((relative >= shared_from / n_layers).all(-1), exclusive)


@torch.no_grad()
def scaling(
    codes: Float[Tensor, "batch d_sae"],
    directions: Float[Tensor, "d_sae d_layer"],
    rows: Float[Tensor, "batch d_layer"],
) -> Float[Tensor, "d_sae"]:
    """Return the factor with which each feature's code times direction best fits the rows; 0 where it never fires.

    Give one layer's directions, and in turn each layer's rows (its remainder, or its reconstruction without the
    feature): an exclusive feature has a factor near 0 at the layers it is not in, a falsely exclusive one does not.

    Source: Minder et al. 2025, "Overcoming Sparsity Artifacts in Crosscoders", "latent scaling": least squares in
    closed form.
    """
    along = ((codes.T @ rows) * directions).sum(-1)
    power = codes.square().sum(0) * directions.square().sum(-1)
    return torch.where(power > 0, along / power, 0.0)
