"""What heads hand on along directions of what they write, token by token: the value there, times how much they look.

Patterns are taken as they are, so that a sum over tokens and heads is exact.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.models.weights import LayerWeights

Values = Float[Tensor, "n pos n_heads d_head"]


def values_of(seen: Float[Tensor, "n pos n_kv_heads d_head"], n_heads: int) -> Values:
    """Return the values every head hands on, those shared by several repeated."""
    return seen.repeat_interleave(n_heads // seen.shape[2], dim=2)


def handed_on(
    weights: LayerWeights,
    directions: Float[Tensor, "n d_model"],
    values: Values,
    looks: Float[Tensor, "n n_heads pos"],
) -> Float[Tensor, "n n_heads pos"]:
    """Return what each head of a layer adds along each row's direction, by where it reads.

    Args:
        weights: of the layer.
        directions: of what heads write, one for each row.
        values: at every token.
        looks: how much the token that is written to looks at every token.
    """
    on_values = torch.einsum("nd,hed->nhe", directions, weights.W_O.to(directions))
    return torch.einsum("nhe,nkhe->nhk", on_values, values.to(directions)) * looks.to(directions)


def mixed(values: Values, patterns: Float[Tensor, "n n_heads q_pos pos"]) -> Float[Tensor, "n q_pos n_heads d_head"]:
    """Return what heads make of values before their output matrices (`z`)."""
    return torch.einsum("nhqk,nkhe->nqhe", patterns.to(values), values)
