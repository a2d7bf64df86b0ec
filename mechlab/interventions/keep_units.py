"""Keep some units of a model and replace the rest by one value each: transcoder features, or the MLPs' own neurons."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.interventions.positions import beside
from mechlab.interventions.stand_in import Errors, stand_in
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel

Kept = Sequence[Bool[Tensor, "n_units"]]
Values = Sequence[Float[Tensor, "n_units"]]
Marks = Bool[Tensor, "batch pos"]


def keep_features(
    model: LanguageModel,
    transcoders: TranscoderSet,
    kept: Kept,
    others: Values,
    *,
    errors: Errors | None = None,
    untouched: Marks | None = None,
) -> AbstractContextManager[None]:
    """Return a context in which transcoders stand in for all MLPs, and only the features kept have their own codes.

    Args:
        model: the model to edit.
        transcoders: whose features.
        kept: of each layer, which.
        others: of each layer, the codes that the others have at every token; zeros switch them off.
        errors: what is added to each layer's output, as for `stand_in`.
        untouched: tokens (a leading BOS, say) at which the MLPs do what they do.
    """

    def change(layer: int, codes: Tensor) -> Tensor:
        return torch.where(kept[layer], codes, others[layer].to(codes))

    return stand_in(model, transcoders, change=change, errors=errors, untouched=untouched)


def keep_neurons(
    model: LanguageModel, kept: Kept, others: Values, *, untouched: Marks | None = None
) -> AbstractContextManager[None]:
    """Return a context in which only the MLPs' neurons that are kept have their own activations.

    Args:
        model: the model to edit.
        kept: of each layer, which.
        others: of each layer, the activations that the others have at every token.
        untouched: tokens at which all neurons have their own.
    """
    layers = range(model.spec.n_layers)
    return model.edit({f"mlp_post.{one}": partial(_only, kept[one], others[one], untouched) for one in layers})


def _only(kept: Tensor, others: Tensor, untouched: Tensor | None, activation: Tensor) -> Tensor:
    changed = torch.where(kept, activation, others.to(activation))
    return changed if untouched is None else torch.where(beside(untouched, activation), activation, changed)
