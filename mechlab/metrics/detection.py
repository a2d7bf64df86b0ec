"""How well one feature alone detects a cause: F1 above a threshold, and the area under its ROC curve."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from mechlab.metrics.histograms import Histograms


@dataclass(frozen=True)
class Detector:
    """A feature that says yes where its activation is positive and at least `threshold`."""

    feature: int
    threshold: float

    def fires(self, values: Float[Tensor, "*tokens"]) -> Bool[Tensor, "*tokens"]:
        """Return the tokens it says yes to."""
        return (values > 0) & (values >= self.threshold)


def f1_by_threshold(histograms: Histograms, group: int, everything: int) -> Float64[Tensor, "n_features n_bins"]:
    """Return each feature's F1 for one group of tokens among `everything`, with each bin's lower edge as threshold."""
    positives = histograms.n_tokens[group]
    return 2 * histograms.at_least(group) / (histograms.at_least(everything) + positives).clamp(min=1)


def detectors(histograms: Histograms, group: int, everything: int) -> tuple[Tensor, Tensor]:
    """Return each feature's best F1 for one group of tokens, and the threshold that gives it."""
    best, edge = f1_by_threshold(histograms, group, everything).max(-1)
    return best, histograms.top * edge / histograms.n_bins


def best_by_f1(histograms: Histograms, group: int, everything: int) -> Detector:
    """Return the feature and threshold with the highest F1."""
    f1, thresholds = detectors(histograms, group, everything)
    feature = int(f1.argmax())
    return Detector(feature, float(thresholds[feature]))


def binned_auc(histograms: Histograms, group: int, everything: int) -> Float64[Tensor, "n_features"]:
    """Return each feature's area under the ROC curve, activations of one bin (and all silence) counted as ties."""
    inside = histograms.counts[group].double()
    outside = histograms.counts[everything].double() - inside
    n_inside, n_all = histograms.n_tokens[group].item(), histograms.n_tokens[everything].item()
    n_outside = n_all - n_inside
    silent_inside, silent_outside = n_inside - inside.sum(-1), n_outside - outside.sum(-1)
    below = silent_outside[:, None] + outside.cumsum(-1) - outside / 2
    return ((inside * below).sum(-1) + silent_inside * silent_outside / 2) / max(n_inside * n_outside, 1)


def placements(values: Float[Tensor, "n_values"], others: Float[Tensor, "n_others"]) -> Float64[Tensor, "n_values"]:
    """Return, for each value, the share of the others below it; ties count half.

    The mean over positives, the others being negatives, is the area under the ROC curve.

    Source: DeLong, DeLong & Clarke-Pearson 1988, eq. 5-6.
    """
    ordered = others.sort().values
    below = torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)
    return below.double() / (2 * max(len(others), 1))
