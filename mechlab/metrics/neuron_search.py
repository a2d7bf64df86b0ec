"""Neurons for a cause: held against a code at equal recall, each with the threshold at which it finds as much."""

from dataclasses import dataclass
from math import ceil

from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.metrics.causes import Cause, Hits, some_of

NEURONS_AT_ONCE = 64


@dataclass(frozen=True)
class NeuronMatch(Hits):
    """A neuron that says yes where `sign` times its activation is at least `threshold`."""

    neuron: int
    sign: int
    threshold: float


def neuron_at_recall(
    mask: Cause, activations: Float[Tensor, "n_tokens d"], recall: float, *, negative: bool = False
) -> NeuronMatch:
    """Return the neuron with the highest precision at the highest threshold at which it reaches a recall.

    That threshold is one of its activations on the cause's tokens: the one with as many at or above it as the recall
    takes. Tokens that tie with it are said yes to.

    Args:
        mask: the cause.
        activations: of each neuron on each token.
        recall: what a code reaches, above 0 and at most 1.
        negative: let neurons speak by low activations, too.

    Raises:
        UsageError: the recall is out of range, or no token belongs to the cause.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features": codes against the best neuron at equal recall.
    """
    if not 0 < recall <= 1:
        raise UsageError("recall is out of range", value=recall, remedy="Give one above 0 and at most 1.")
    n_cause = int(some_of(mask, "the cause").sum())
    needed = max(1, ceil(recall * n_cause - 1e-9))
    found = [
        _best_neuron(mask, sign * block.float(), needed, sign, place * NEURONS_AT_ONCE)
        for sign in ((1, -1) if negative else (1,))
        for place, block in enumerate(activations.split(NEURONS_AT_ONCE, dim=1))
    ]
    return max(found, key=lambda one: one.precision)


def _best_neuron(
    mask: Cause, activations: Float[Tensor, "n_tokens some"], needed: int, sign: int, first: int
) -> NeuronMatch:
    inside = activations[mask]
    thresholds = inside.kthvalue(len(inside) - needed + 1, dim=0).values
    active, hits = ((values >= thresholds).sum(0) for values in (activations, inside))
    best = int((hits / active).argmax())
    counts = int(active[best]), int(hits[best]), len(inside)
    return NeuronMatch(*counts, first + best, sign, thresholds[best].item())
