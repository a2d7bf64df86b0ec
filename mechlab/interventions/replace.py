"""Put something else in an activation's place, everywhere but on the tokens that are to stay as they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool
from torch import Tensor

from mechlab.interventions.positions import beside
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


@contextmanager
def replace(
    model: LanguageModel,
    site: str | Site,
    new: Callable[[Tensor], Tensor],
    *,
    untouched: Bool[Tensor, "batch pos"] | None = None,
) -> Iterator[None]:
    """Open a context in which every forward pass has `new(activation)` at the site.

    Args:
        model: the model to edit; left as it was when the context closes.
        site: where.
        new: the replacement; its shape is the activation's or broadcasts to it.
        untouched: tokens whose activation stays; then every pass must be over this very batch. None replaces all.
    """

    def edit(activation: Tensor) -> Tensor:
        replacement = new(activation).to(activation.dtype).expand_as(activation)
        return replacement if untouched is None else torch.where(beside(untouched, activation), activation, replacement)

    with model.edit({site: edit}):
        yield
