"""Changes of what heads write: parts along some directions are scaled, moved elsewhere, or taken from another pass.

A change looks at what a head writes and returns what is to be added to it. `change_heads` adds it for everything that
comes after the head; `path_changes.change_paths` only for what some receivers read.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.interventions.positions import beside
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head, Site

Stream = Float[Tensor, "batch pos d_model"]
Directions = Float[Tensor, "n d_model"]
Change = Callable[[Stream], Stream]


def change_heads(
    model: LanguageModel, changes: Mapping[Head, Change], *, where: Bool[Tensor, "batch pos"] | None = None
) -> AbstractContextManager[None]:
    """Return a context in which what these heads write is changed for everything that comes after them.

    Args:
        model: the model to edit.
        changes: by layer and head.
        where: tokens at which it is; then every pass must be over this very batch. None is everywhere.

    Raises:
        UnknownName: there is no such head.
    """
    return model.edit(
        {head_site(model, head): partial(_plus, masked(change, where)) for head, change in changes.items()}
    )


def scaled(
    directions: Directions, factor: float | Float[Tensor, "n"] = 0.0, constant: float | Float[Tensor, "n"] = 0.0
) -> Change:
    """Return the change that multiplies the parts along orthonormal directions and adds a constant to each.

    Factor 0 takes them away; factor 0 with a constant sets them.
    """

    def change(out: Stream) -> Stream:
        along = directions.to(out)
        gain, shift = (torch.as_tensor(one, dtype=out.dtype, device=out.device) for one in (factor, constant))
        return (out @ along.T * (gain - 1) + shift) @ along

    return change


def moved(directions: Directions, onto: Directions) -> Change:
    """Return the change that takes away along others what there is along directions: a control of the same size.

    At every token it is as long as taking the parts away would be, but it points elsewhere.

    Args:
        directions: orthonormal; how much there is along each.
        onto: orthonormal, as many; what is taken away along each instead.
    """
    return lambda out: -(out @ directions.to(out).T) @ onto.to(out)


def exchanged(directions: Directions, other: Stream) -> Change:
    """Return the change that puts the parts another pass has in the place of those along orthonormal directions.

    Args:
        directions: orthonormal.
        other: what the head writes in the other pass, as many tokens.
    """

    def change(out: Stream) -> Stream:
        along = directions.to(out)
        return (other.to(out) - out) @ along.T @ along

    return change


def averaged(directions: Directions, where: Bool[Tensor, "batch pos"] | None = None) -> Change:
    """Return the change that gives every token the mean part along orthonormal directions, over the marked tokens."""

    def change(out: Stream) -> Stream:
        along = directions.to(out)
        parts = out @ along.T
        mean = parts.flatten(0, 1).mean(0) if where is None else parts[where.to(out.device)].mean(0)
        return (mean - parts) @ along

    return change


def restricted(change: Change, directions: Directions) -> Change:
    """Return a change of which only the part in the span of orthonormal directions is left.

    With the directions that a receiver can read, what it cannot read stays as it is.

    Source: Makelov, Lange & Nanda 2023, "Is This the Subspace You Are Looking for?" (the part of a patch outside the
    row space of what reads it can act in ways the model never uses).
    """

    def only(out: Stream) -> Stream:
        along = directions.to(out)
        return change(out) @ along.T @ along

    return only


def masked(change: Change, where: Bool[Tensor, "batch pos"] | None) -> Change:
    """Return a change that is zero but at the marked tokens."""
    return change if where is None else lambda out: change(out) * beside(where, out)


def head_site(model: LanguageModel, head: Head) -> Site:
    """Return the site of what a head writes.

    Raises:
        UnknownName: there is no such head.
    """
    return Site.parse(f"head.{head[0]}.{head[1]}", model.spec)


def _plus(change: Change, out: Stream) -> Stream:
    return out + change(out)
