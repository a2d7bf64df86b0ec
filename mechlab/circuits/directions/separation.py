"""How well one number tells two classes apart: AUC and balanced accuracy, with intervals over independent groups.

1. AUC: how often a positive lies above a negative; ties count half. Balanced accuracy: the mean of both classes' shares
   on the right side of a threshold. Both are 0.5 for whatever tells nothing, however many there are of each class.
2. Groups are redrawn 1,000 times, those of each kind (both classes, the first, the second) among themselves, so that no
   class is ever missing. The interval runs from the 2.5th to the 97.5th percentile.
3. Redraws of a perfect score all are perfect. There the interval is Wilson's, for as many independent trials as the
   class with fewer groups has groups.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.holding_out import strata
from mechlab.core.estimate import Estimate
from mechlab.core.redraws import from_draws, redraws

NORMAL_975 = 1.959963984540054
Weights = Float64[Tensor, "n_draws n"]


@dataclass(frozen=True)
class Separation:
    """How well projections tell the classes apart; None where an interval is undefined."""

    auc: Estimate | None
    balanced_accuracy: Estimate | None


def separation(examples: Examples, values: Float[Tensor, "n"], threshold: float, seed: int = 0) -> Separation:
    """Return how well numbers, one for each example, tell the classes apart.

    Args:
        examples: their labels and groups.
        values: higher where the example should be positive.
        threshold: an example is called positive above it.
        seed: of the redraws.

    Source: AUC as DeLong, DeLong & Clarke-Pearson 1988; Wilson 1927 where redraws have no spread. That groups are
    redrawn kind by kind is ours.
    """
    drawn, own, positive = _group_draws(examples, seed), values.double(), examples.positive
    n_groups = [len(examples.groups[which].unique()) for which in (positive, ~positive)]
    right = (own > threshold) == positive

    def over_draws(statistic: Callable[[Weights], Float64[Tensor, "n_draws"]]) -> Estimate | None:
        found = from_draws(torch.cat([statistic(part) for part in drawn.split(50)]), n=len(examples))
        return found if found is None or 0 < found.value < 1 else without_spread(found, min(n_groups))

    return Separation(
        over_draws(lambda weights: weighted_auc(own, positive, weights)),
        over_draws(lambda weights: (_share(right, positive, weights) + _share(right, ~positive, weights)) / 2),
    )


def auc(values: Float[Tensor, "n"], positive: Bool[Tensor, "n"]) -> float:
    """Return how often a positive lies above a negative; ties count half."""
    return float(weighted_auc(values.double(), positive, torch.ones(1, len(values), dtype=torch.float64)))


def weighted_auc(
    values: Float64[Tensor, "n"], positive: Bool[Tensor, "n"], weights: Weights
) -> Float64[Tensor, "n_draws"]:
    """Return the AUC where each example counts as often as it was drawn."""
    distinct, places = values.unique(return_inverse=True)
    inside, outside = (
        torch.zeros(len(weights), len(distinct), dtype=torch.float64).index_add_(1, places, weights * own)
        for own in (positive, ~positive)
    )
    below = outside.cumsum(1) - outside / 2
    return (inside * below).sum(1) / (inside.sum(1) * outside.sum(1))


def without_spread(found: Estimate, n_independent: int) -> Estimate:
    """Return an estimate of a share that is 0 or 1, with Wilson's interval for so many independent trials."""
    low, high = wilson(found.value, n_independent)
    return found.model_copy(update={"low": min(low, found.value), "high": max(high, found.value)})


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of n independent trials."""
    squared = NORMAL_975**2
    middle, half = share + squared / (2 * n), math.sqrt(share * (1 - share) * squared / n + (squared / (2 * n)) ** 2)
    return max(0.0, (middle - half) / (1 + squared / n)), min(1.0, (middle + half) / (1 + squared / n))


def _share(right: Tensor, of: Tensor, weights: Weights) -> Float64[Tensor, "n_draws"]:
    return (weights * (right & of)).sum(1) / (weights * of).sum(1)


def _group_draws(examples: Examples, seed: int) -> Weights:
    """Return how often each example counts: once in the first row, then as often as a redraw draws its group."""
    rows = [torch.ones(1, len(examples), dtype=torch.float64)]
    kinds = strata(examples)
    for parts in zip(*(redraws(len(groups), seed + place) for place, groups in enumerate(kinds)), strict=True):
        counted = torch.zeros(len(parts[0]), len(examples), dtype=torch.float64)
        for groups, drawn in zip(kinds, parts, strict=True):
            counted += _spread(examples.groups, groups, drawn)
        rows.append(counted)
    return torch.cat(rows)


def _spread(
    groups: Int64[Tensor, "n"], known: Int64[Tensor, "n_known"], drawn: Float64[Tensor, "n_draws n_known"]
) -> Float64[Tensor, "n_draws n"]:
    """Return how often each example's group was drawn; never where its group is none of the known ones."""
    places = torch.searchsorted(known, groups).clamp(max=len(known) - 1)
    return drawn[:, places] * (known[places] == groups)
