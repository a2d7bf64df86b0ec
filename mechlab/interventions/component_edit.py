"""Edits of single components of heads: what a head writes or looks for along one direction is scaled, or set.

1. `ov`: of what a head writes, the part along a direction v is multiplied by a factor and a constant is added:
   `out + ((factor - 1) (out . v) + constant) v`. Factor 0 with a constant sets it.
2. `qk`: of what a head's queries look at, the part along a direction u is: the head's query gains
   `((factor - 1) (x . u) + constant) u W_Q`, where x is the normalized activation it reads.
3. In weights the same is `W_O (I + (factor - 1) v v^T)` and `(I + (factor - 1) u u^T) W_Q`, with the constants in the
   biases.
4. Components of one circuit of one head are orthogonal, so that an edit leaves the others as they are.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.head_changes import scaled
from mechlab.interventions.positions import places_in_pass
from mechlab.models.language_model import Edit, LanguageModel
from mechlab.models.sites import Site

UNIT = 1e-4


@dataclass(frozen=True, eq=False)
class ComponentEdit:
    """What becomes of a head's part along one direction.

    Attributes:
        circuit: `ov` for what the head writes, `qk` for what its queries look at.
        direction: of length one, in the residual stream.
        factor: what the part is multiplied by; 0 takes it away, 1 leaves it.
        constant: what is added to it.
    """

    circuit: Literal["ov", "qk"]
    layer: int
    head: int
    direction: Float[Tensor, "d_model"]
    factor: float = 0.0
    constant: float = 0.0


def refuse_foreign_edits(model: LanguageModel, edits: Sequence[ComponentEdit]) -> None:
    """Refuse edits that are not of this model's heads.

    Raises:
        UsageError: there is no such head, or a direction has another width than the stream or another length than one.
    """
    spec = model.spec
    for edit in edits:
        Site.parse(f"head.{edit.layer}.{edit.head}", spec)
        if len(edit.direction) != spec.d_model:
            remedy = f"The residual stream of {model.name} has {spec.d_model}."
            raise UsageError("direction does not fit the model", value=len(edit.direction), remedy=remedy)
        if not abs(float(edit.direction.double().norm()) - 1) <= UNIT:
            raise UsageError("direction is not of length one", value=float(edit.direction.norm()), remedy="Scale it.")


def edit_components(
    model: LanguageModel, edits: Sequence[ComponentEdit], *, positions: range | None = None
) -> AbstractContextManager[None]:
    """Return a context in which every pass has the components edited, in generation too.

    Args:
        model: with norms folded into the weights, as the directions were found (`processed`).
        edits: which components; several of one head add up.
        positions: where in a row; None is everywhere. A `qk` edit counts the position of the query.

    Raises:
        UsageError: norms are not folded and there is a `qk` edit, or an edit is not of this model's heads.

    Source: Merullo, Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519), whose edits scale or set components of
    what heads write. Queries are ours.
    """
    refuse_foreign_edits(model, edits)
    if any(edit.circuit == "qk" for edit in edits) and "fold_norm" not in model.processing:
        remedy = "Pass the copy that processed(model) gives."
        raise UsageError("what queries look at is edited behind a folded norm", value=model.name, remedy=remedy)
    writes: dict[tuple[int, int], list[ComponentEdit]] = {}
    looks: dict[int, list[ComponentEdit]] = {}
    for edit in edits:
        if edit.circuit == "ov":
            writes.setdefault((edit.layer, edit.head), []).append(edit)
        else:
            looks.setdefault(edit.layer, []).append(edit)
    here: dict[str | Site, Edit] = {
        f"head.{layer}.{head}": _writing(model, own, positions) for (layer, head), own in writes.items()
    }
    for layer, own in looks.items():
        here |= _looking(model, layer, own, positions)
    return model.edit(here)


def _writing(model: LanguageModel, edits: list[ComponentEdit], positions: range | None) -> Callable[[Tensor], Tensor]:
    directions, gains, constants = _stacked(edits)
    change = scaled(directions, gains + 1, constants)

    def edit(out: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        return out + change(out) * _mask(model, positions, out)

    return edit


def _looking(
    model: LanguageModel, layer: int, edits: list[ComponentEdit], positions: range | None
) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the edits of a layer's queries and of the norm before them, which tells what they look at."""
    directions, gains, constants = _stacked(edits)
    heads = torch.tensor([edit.head for edit in edits])
    matrices = model.weights().layers[layer].W_Q[heads].double()
    turned = torch.einsum("ed,edh->eh", directions.to(matrices), matrices)
    shown: list[Tensor] = []

    def see(normed: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        shown[:] = [normed]
        return normed

    def edit(queries: Float[Tensor, "batch pos n_heads d_head"]) -> Float[Tensor, "batch pos n_heads d_head"]:
        along = directions.to(queries)
        amount = shown.pop() @ along.T * gains.to(queries) + constants.to(queries)
        change = torch.zeros_like(queries)
        change.index_add_(2, heads.to(queries.device), amount[..., None] * turned.to(queries))
        return queries + change * _mask(model, positions, queries)

    return {f"ln1_normalized.{layer}": see, f"q.{layer}": edit}


def _stacked(edits: list[ComponentEdit]) -> tuple[Tensor, Tensor, Tensor]:
    directions = torch.stack([edit.direction.double() for edit in edits])
    gains = torch.tensor([edit.factor - 1 for edit in edits], dtype=torch.float64)
    return directions, gains, torch.tensor([edit.constant for edit in edits], dtype=torch.float64)


def _mask(model: LanguageModel, positions: range | None, like: Tensor) -> Tensor:
    """Return 1 at the positions of a pass that are to be edited, else 0, beside an activation."""
    mask = like.new_zeros(1, like.shape[1], *[1] * (like.ndim - 2))
    mask[:, places_in_pass(model, positions, like.shape[1])] = 1
    return mask
