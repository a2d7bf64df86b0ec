"""The known cause every feature fits best, of all features at once, beside what it fits by chance.

1. Rows go to two halves in turn; each half has histograms of every feature's activations, per class and over all.
2. On the first half each feature chooses the class and the threshold with the best F1.
3. On the second half that F1 is read off at the same threshold: nothing is chosen where it is measured.
4. The same choice is made, and measured, with the labels of other rows: what that feature reaches by chance.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mechlab.corpora.rows import TokenRows
from mechlab.metrics.active_codes import ActiveCodes
from mechlab.metrics.detection import f1_by_threshold
from mechlab.metrics.histograms import Histograms
from mechlab.metrics.labels import Classes

LEAST_ROWS_ELSEWHERE = 8


@dataclass(frozen=True, eq=False)
class CauseFits:
    """The class each feature fits best.

    Attributes:
        names: of the classes.
        best: number of each feature's class, -1 where it fits none.
        threshold: the activation from which the feature says yes.
        f1: on rows not chosen on.
        by_chance: F1 of the class and threshold that labels of other rows make it choose, on rows not chosen on.
    """

    names: tuple[str, ...]
    best: Int64[Tensor, "n_features"]
    threshold: Float64[Tensor, "n_features"]
    f1: Float64[Tensor, "n_features"]
    by_chance: Float64[Tensor, "n_features"]


class CauseCounts:
    """Counts from which every feature's fit with every class is read; memory does not grow with the tokens."""

    def __init__(self, classes: Classes, n_features: int) -> None:
        self.classes, self.n_features = classes, n_features
        self._rows_seen = 0
        n = len(classes.names)
        self._histograms = Histograms(4 * n + 2 if n else 0, n_features)

    def update(self, active: ActiveCodes, rows: TokenRows) -> None:
        """Count one batch of rows."""
        n = len(self.classes.names)
        if not n:
            return
        scored = ~rows.special
        half = (scored.nonzero()[:, 0] + self._rows_seen) % 2
        own = self.classes.groups(rows.labels, scored).long()
        families = [torch.where(own >= 0, own + half * (n + 1), -1)]
        if len(rows) >= LEAST_ROWS_ELSEWHERE:
            moved = {name: values.roll(len(rows) // 2, 0) for name, values in rows.labels.items()}
            other = self.classes.groups(moved, scored).long()[:-1]
            families.append(torch.where(other >= 0, other + 2 * (n + 1) + half * n, -1))
        self._histograms.count(active.token, active.feature, active.value, torch.cat(families))
        self._rows_seen += len(rows)

    def fits(self, least: int) -> CauseFits:
        """Return every feature's fit; classes with fewer than `least` tokens in either half are left out."""
        n = len(self.classes.names)
        own, other = (range(n), range(n + 1, 2 * n + 1)), (range(2 * n + 2, 3 * n + 2), range(3 * n + 2, 4 * n + 2))
        best, edge, f1 = self._chosen(*own, least)
        _, _, by_chance = self._chosen(*other, least)
        histograms = self._histograms
        threshold = histograms.top.double() * edge / histograms.n_bins
        return CauseFits(self.classes.names, best, threshold, f1, by_chance)

    def _chosen(self, first: range, second: range, least: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return each feature's class, the edge it says yes from, and its F1 on the second half."""
        n = len(self.classes.names)
        seen = self._histograms
        best = torch.full((self.n_features,), -1)
        edge, f1 = torch.zeros(self.n_features, dtype=torch.long), torch.zeros(self.n_features, dtype=torch.float64)
        highest = torch.zeros_like(f1)
        for c, (choosing, measuring) in enumerate(zip(first, second, strict=True)):
            if min(seen.n_tokens[choosing], seen.n_tokens[measuring]) < least:
                continue
            value, at = f1_by_threshold(seen, choosing, n).max(-1)
            measured = f1_by_threshold(seen, measuring, 2 * n + 1).gather(1, at[:, None])[:, 0]
            better = value > highest
            best, edge = torch.where(better, c, best), torch.where(better, at, edge)
            highest, f1 = torch.where(better, value, highest), torch.where(better, measured, f1)
        return best, edge, f1
