"""Stretches of text around a feature's activations: the strongest, and some from every band of strength."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Context:
    """A stretch of one row, and what the feature does on each of its tokens.

    Attributes:
        row: which row of the corpus.
        start: the position of the first token shown.
        tokens: the tokens as text.
        activations: the feature's activation on each.
        focus: which of the tokens shown is the one looked at.
    """

    row: int
    start: int
    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    focus: int


@dataclass(frozen=True)
class Band:
    """Examples whose activation lies between two values: the feature at one of its strengths."""

    low: float
    high: float
    contexts: tuple[Context, ...]


def strongest(activations: Float[Tensor, "n_rows pos"], n: int) -> Int[Tensor, "n_found 2"]:
    """Return row and position of the `n` strongest activations, at most one per row, strongest first."""
    peak, position = activations.max(1)
    order = peak.argsort(descending=True, stable=True)[:n]
    order = order[peak[order] > 0]
    return torch.stack([order, position[order]], dim=1)


def band_edges(activations: Float[Tensor, "n_rows pos"], n_bands: int) -> list[float]:
    """Return the quantiles of the positive activations that part them into equally large bands, weakest first."""
    positive = activations[activations > 0].double().sort().values
    if not len(positive):
        return []
    places = torch.linspace(0, len(positive) - 1, n_bands + 1).round().long()
    return positive[places].tolist()


def drawn_from(inside: Bool[Tensor, "n_rows pos"], n: int, draw: torch.Generator) -> Int[Tensor, "n_found 2"]:
    """Return row and position of `n` tokens drawn from those inside a band, at most one per row."""
    places = inside.nonzero()
    shuffled = places[torch.randperm(len(places), generator=draw)]
    first_of_row = {row: i for i, row in reversed(list(enumerate(shuffled[:, 0].tolist())))}
    return shuffled[sorted(first_of_row.values())[:n]]


def bounds(position: int, row_length: int, before: int, after: int) -> tuple[int, int]:
    """Return where a window around a position starts and ends, within the row."""
    return max(0, position - before), min(row_length, position + after + 1)
