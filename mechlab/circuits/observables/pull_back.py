"""An observable handed back along a path: the direction of each activation on the way that moves it.

1. Begin with what the observable reads of the last norm's output, `W_U n`.
2. Go down the path, from the logits to its source, through each stop (`pulling`).
3. Tell the direction at every stop, whose length says how much the stop could matter, before any prompt is seen.

Source: Observable Propagation (arXiv 2312.16291; ICML 2024), section 2.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.parts import parts_of
from mechlab.circuits.observables.pulling import NOWHERE, NormRules, Pulled, StopPoint, pulled_through
from mechlab.circuits.observables.stops import path_of
from mechlab.core.errors import UnknownName
from mechlab.models.language_model import LanguageModel


def observable_directions(
    model: LanguageModel,
    observable: Observable,
    path: Sequence[str],
    points: Mapping[str, StopPoint] | None = None,
    rules: NormRules | None = None,
) -> tuple[Pulled, ...]:
    """Return the observable's direction at every stop of a path, the logits first.

    Args:
        model: the model.
        observable: what is handed back.
        path: stops, the source first and the logits last; see `stops`.
        points: where each stop is linearised, by its name; `prompt_points` takes them from a prompt. Without, norms can
            only be `cheap` or `skip`, and there can be no MLP.
        rules: how norms are handed back through; None is exactly.

    Raises:
        UnknownName: there is no such stop, or a point belongs to none of the path.
        UsageError: the path does not end at the logits, is out of order, or lacks a point; the model is not Hugging
            Face's, or its parts write through norms.

    Source: Observable Propagation (arXiv 2312.16291), section 2.
    """
    stops, given = path_of(path, model.spec), points or {}
    if strange := [name for name in given if name not in path]:
        raise UnknownName("point belongs to no stop of the path", value=strange[0], remedy=f"Stops: {', '.join(path)}.")
    parts, found = parts_of(model), list[Pulled]()
    direction = observable.direction(parts.weights)
    for stop in reversed(stops):
        found.append(pulled_through(parts, direction, stop, given.get(stop.name, NOWHERE), rules))
        direction = found[-1].stream
    return tuple(found)


@torch.no_grad()
def head_lengths(
    model: LanguageModel, observable: Observable, rules: NormRules | None = None
) -> Float[Tensor, "n_layers n_heads"]:
    """Return how long the observable's direction is in front of every head that writes straight to the logits.

    It is a data-free measure of how much a head could matter.

    Args:
        model: the model.
        observable: what is handed back.
        rules: `cheap` or `skip` norms; None skips them all, which compares what heads read behind their norms.

    Raises:
        UsageError: norms are to be handed back through at a point.

    Source: Observable Propagation (arXiv 2312.16291), norms of feature vectors.
    """
    parts, own = parts_of(model), rules or NormRules.all("skip")
    direction = parts.norm("ln_final").pulled(observable.direction(parts.weights), None, own.final)
    found = []
    for layer, weights in enumerate(parts.weights.layers):
        values = torch.einsum("d,hed->he", direction, weights.W_O.to(direction))
        read = torch.einsum("he,hde->hd", values, weights.W_V.to(direction))
        found.append(parts.norm(f"ln1.{layer}").pulled(read, None, own.heads).norm(dim=-1))
    return torch.stack(found)
