"""Hold activations still, and push what MLPs write: the two things that a test of cause and effect is made of."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.models.language_model import LanguageModel


def hold(model: LanguageModel, held: Mapping[str, Tensor]) -> AbstractContextManager[None]:
    """Return a context in which activations stay what they were in one row, for every row of every pass.

    Args:
        model: the model to edit.
        held: by site, without an axis for the batch.
    """
    return model.edit({site: partial(_held, value) for site, value in held.items()})


def push(
    model: LanguageModel, positions: Int[Tensor, "batch"], vectors: Mapping[int, Float[Tensor, "batch d_model"]]
) -> AbstractContextManager[None]:
    """Return a context in which each row has a vector of its own added to the outputs of MLPs, at one position.

    Args:
        model: the model to edit.
        positions: where, for each row; then every pass must be over as many rows.
        vectors: by layer.
    """
    return model.edit({f"mlp_out.{layer}": partial(_pushed, positions, added) for layer, added in vectors.items()})


def _held(value: Tensor, activation: Tensor) -> Tensor:
    return value.expand_as(activation)


def _pushed(positions: Tensor, added: Tensor, activation: Tensor) -> Tensor:
    activation[torch.arange(len(positions), device=positions.device), positions] += added.to(activation)
    return activation
