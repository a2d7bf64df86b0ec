"""How much of the targets comes through each source: shares of shares, from the targets down.

1. Of a target's or feature's value, each source has the share of its effect's size among the sizes of all, the bias
   counted as one.
2. A source's influence is the share that targets take from it, and what later features take from it, times their own
   influence.
3. Features take from earlier layers only, so that one sweep from the last layer down gives it exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.rows import Rows


@dataclass(frozen=True, eq=False)
class Shares:
    """What part of each row's value every source makes up, and what part biases do; a row of zeros has none."""

    sources: Float[Tensor, "n n_columns"]
    bias: Float[Tensor, "n"]

    @staticmethod
    def of(rows: Rows) -> "Shares":
        """Return the shares in rows of effects."""
        sizes, bias = rows.effects.abs(), rows.bias.abs()
        total = (sizes.sum(-1) + bias).clamp(min=torch.finfo(sizes.dtype).tiny)
        return Shares(sizes / total[:, None], bias / total)


@dataclass(frozen=True, eq=False)
class TracedShares:
    """The shares of some features of one layer, and their own columns."""

    layer: int
    columns: Int[Tensor, "n"]
    shares: Shares


@dataclass(frozen=True, eq=False)
class Influence:
    """How much of the targets comes through every source, and how much ends at biases."""

    columns: Float[Tensor, "n_columns"]
    bias: float


def influence(of_targets: Shares, weights: Float[Tensor, "n"], traced: Iterable[TracedShares]) -> Influence:
    """Return how much of the weighted targets comes through each source.

    Features that were not traced keep what reaches them: it is not followed on.

    Args:
        of_targets: the targets' shares.
        weights: of the targets, summing to 1.
        traced: the features that were traced, each once, in pieces of one layer.

    Source: Ameisen et al. 2025, "Circuit Tracing" (graph pruning); there the powers of the matrix are summed until they
    vanish, and biases have no share.
    """
    columns, bias = weights @ of_targets.sources, float(weights @ of_targets.bias)
    for piece in sorted(traced, key=lambda one: -one.layer):
        reached = columns[piece.columns]
        columns = columns + reached @ piece.shares.sources
        bias += float(reached @ piece.shares.bias)
    return Influence(columns, bias)
