"""Debiasing along a direction: its part is taken out of an activation, or what another prompt has more of it is put in.

1. Take out: `x - (x . u) u`, with u the direction at length one.
2. Put in: `x + ((x+ - x-) . u) u`, where x+ and x- are activations of two prompts.

Source: Observable Propagation (arXiv 2312.16291; ICML 2024), steering by the projection of a difference of prompts.
"""

from contextlib import AbstractContextManager

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.positions import places_in_pass
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site

Vectors = Float[Tensor, "*lead d_site"]


def part_along(vectors: Vectors, direction: Float[Tensor, "_d_direction"]) -> Vectors:
    """Return the part of vectors along a direction of any length.

    Raises:
        UsageError: the direction is zero or not finite, or has another width.
    """
    if vectors.shape[-1] != len(direction):
        remedy = f"The activation's is {vectors.shape[-1]}."
        raise UsageError("direction has another width", value=len(direction), remedy=remedy)
    size = direction.double().norm()
    if not (bool(size.isfinite()) and size > 0):
        raise UsageError("direction goes nowhere", value=float(size), remedy="Its length must be a positive number.")
    unit = (direction.double() / size).to(vectors)
    return (vectors @ unit)[..., None] * unit


def debiased(
    model: LanguageModel,
    site: str | Site,
    direction: Float[Tensor, "d_site"],
    *,
    shift: Float[Tensor, "d_site"] | None = None,
    positions: range | None = None,
) -> AbstractContextManager[None]:
    """Return a context in which every pass, in generation too, lacks a direction at a site, or has a shift along it.

    Args:
        model: the model to edit.
        site: where, such as `resid_pre.6`.
        direction: of any length.
        shift: a difference of activations, of which only the part along the direction is added; None takes the
            direction's part out.
        positions: where in a row; None is everywhere.

    Raises:
        UsageError: the direction is zero or not finite; at the first pass, it does not fit the site.

    Source: Observable Propagation (arXiv 2312.16291), steering.
    """
    added = None if shift is None else part_along(shift, direction)
    part_along(direction, direction)

    def edit(activation: Float[Tensor, "batch pos d_site"]) -> Float[Tensor, "batch pos d_site"]:
        change = -part_along(activation, direction) if added is None else added.to(activation).expand_as(activation)
        is_asked = torch.zeros(activation.shape[1], 1, dtype=torch.bool, device=activation.device)
        is_asked[places_in_pass(model, positions, activation.shape[1])] = True
        return torch.where(is_asked, activation + change, activation)

    return model.edit({site: edit})
