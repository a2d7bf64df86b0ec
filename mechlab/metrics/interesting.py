"""Which features to look at first: those that detect known causes, or else those that fire rarely enough and stand out.

1. With labels: go through the classes in the order of their best F1 and take each one's best feature not yet taken;
   then each one's second best, and so on.
2. Without, or when these run out: among features whose density is in the middle half of the live ones, take those
   whose peak is highest above their own mean activation; then the other live ones by the same order.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.metrics.histograms import Histograms


def interesting_features(f1: Float64[Tensor, "n_classes n_features"], histograms: Histograms, n: int) -> list[int]:
    """Return the numbers of at most `n` live features, the most interesting first.

    Args:
        f1: each feature's best F1 for each class; no lines where there are no labels.
        histograms: the features' activations; the last group holds all tokens.
        n: how many to return.
    """
    candidates = [*_by_class(f1, n), *_by_peak(histograms)]
    return list(dict.fromkeys(candidates))[:n]


def _by_class(f1: Float64[Tensor, "n_classes n_features"], n: int) -> Iterator[int]:
    """Yield features class by class, each class's best first; those that never hit are left out."""
    if not len(f1):
        return
    values, features = f1.topk(min(n, f1.shape[1]), dim=1)
    order = values[:, 0].argsort(descending=True, stable=True)
    taken: set[int] = set()
    for _ in range(features.shape[1]):
        for c in order.tolist():
            pairs = zip(features[c].tolist(), values[c].tolist(), strict=True)
            fresh = next((feature for feature, value in pairs if value > 0 and feature not in taken), None)
            if fresh is not None:
                taken.add(fresh)
                yield fresh


def _by_peak(histograms: Histograms) -> list[int]:
    """Return the live features, those of middling density first, then by peak over mean activation."""
    counts = histograms.counts[-1].double()
    fired = counts.sum(-1)
    live = fired > 0
    if not live.any():
        return []
    low, high = fired[live].quantile(torch.tensor([0.25, 0.75], dtype=torch.float64))
    middle = (low <= fired) & (fired <= high)
    place = torch.arange(histograms.n_bins) + 0.5
    mean = (counts * place).sum(-1) / fired.clamp(min=1)
    peak = ((counts > 0) * place).amax(-1) / mean.clamp(min=0.5)
    rank = torch.where(middle, peak + histograms.n_bins * 2, peak).masked_fill(~live, -1)
    return rank.argsort(descending=True, stable=True)[: int(live.sum())].tolist()
