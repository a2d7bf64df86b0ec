"""Contenders race to detect causes: each chooses its features on one half of the rows and is scored on the other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from mechlab.metrics.bootstrap import Totals, Values
from mechlab.metrics.contenders import Contender
from mechlab.metrics.detection import Detector, best_by_f1, binned_auc, placements
from mechlab.metrics.histograms import Histograms


@dataclass(frozen=True, eq=False)
class LabelledTokens:
    """Tokens at a site with the classes they belong to.

    Attributes:
        groups: per label, the class of each token, or -1; the last line is the group of all tokens.
        groups_elsewhere: the same for the labels of other rows.
        row: which row each token is in.
    """

    inputs: Float[Tensor, "n_tokens d_in"]
    groups: Int[Tensor, "n_families n_tokens"]
    groups_elsewhere: Int[Tensor, "n_families n_tokens"]
    row: Int[Tensor, "n_tokens"]

    def groups_for(self, contender: Contender) -> Int[Tensor, "n_families n_tokens"]:
        """Return the classes this contender is scored against."""
        return self.groups_elsewhere if contender.labels_of_other_rows else self.groups


@dataclass(frozen=True)
class Choice:
    """A contender's features for one class: the best by F1 with its threshold, and the best by AUC."""

    by_f1: Detector
    by_auc: int


Choices = dict[int, Choice]
RowSums = Float64[Tensor, "n_rows 6"]


def choose(
    contenders: Mapping[str, Contender], batches: Iterable[LabelledTokens], n_classes: int, min_positives: int
) -> dict[str, Choices]:
    """Return each contender's choice for every class with at least `min_positives` tokens."""
    histograms: dict[str, Histograms] = {}
    for batch in batches:
        for name, contender in contenders.items():
            values = contender.features(batch.inputs)
            if name not in histograms:
                histograms[name] = Histograms(n_classes + 1, values.shape[-1])
            histograms[name].update(values, batch.groups_for(contender))
    return {name: dict(_choices(counts, n_classes, min_positives)) for name, counts in histograms.items()}


def score(
    contenders: Mapping[str, Contender], batches: Iterable[LabelledTokens], choices: dict[str, Choices], n_rows: int
) -> dict[str, dict[int, RowSums]]:
    """Return, per contender and class, what each row adds to F1 and AUC (see `row_sums`)."""
    seen = {name: [] for name in contenders}
    for batch in batches:
        for name, contender in contenders.items():
            features = [f for choice in choices[name].values() for f in (choice.by_f1.feature, choice.by_auc)]
            values = contender.features(batch.inputs)[:, features].float().cpu()
            seen[name].append((values, batch.groups_for(contender), batch.row))
    return {name: _sums_per_class(choices[name], parts, n_rows) for name, parts in seen.items()}


def row_sums(
    detected: Bool[Tensor, "n_tokens"], ranked: Float[Tensor, "n_tokens"], positive: Bool[Tensor, "n_tokens"]
) -> Float64[Tensor, "n_tokens 6"]:
    """Return what each token adds to F1 and to AUC.

    Args:
        detected: the detector's yeses.
        ranked: the activations of the feature whose AUC is taken.
        positive: the tokens of the class.

    Returns:
        Twice the hits; yeses plus positives; positives' placements among negatives; positives; negatives' placements
        among positives; negatives.
    """
    above = torch.zeros(len(positive), dtype=torch.float64)
    above[positive] = placements(ranked[positive], ranked[~positive])
    below = torch.zeros_like(above)
    below[~positive] = 1 - placements(ranked[~positive], ranked[positive])
    columns = [2 * (detected & positive), detected.int() + positive.int(), above, positive, below, ~positive]
    return torch.stack([column.double() for column in columns], dim=1)


def f1(totals: Totals) -> Values:
    """Return twice the hits over yeses plus positives."""
    return totals[:, 0] / totals[:, 1]


def auc(totals: Totals) -> Values:
    """Return the area under the ROC curve; of redrawn rows to first order, exactly for the observed totals (first).

    Source: DeLong, DeLong & Clarke-Pearson 1988: the area varies with the positives' placements among negatives and
    the negatives' among positives; each mean is the observed area, so the sum less the area is the redrawn one.
    """
    by_positives, by_negatives = totals[:, 2] / totals[:, 3], totals[:, 4] / totals[:, 5]
    return by_positives + by_negatives - by_positives[0]


def _choices(histograms: Histograms, n_classes: int, min_positives: int) -> Iterator[tuple[int, Choice]]:
    for group in range(n_classes):
        if histograms.n_tokens[group] >= min_positives:
            by_auc = int(binned_auc(histograms, group, n_classes).argmax())
            yield group, Choice(best_by_f1(histograms, group, n_classes), by_auc)


def _sums_per_class(choices: Choices, parts: list[tuple[Tensor, Tensor, Tensor]], n_rows: int) -> dict[int, RowSums]:
    values, groups, row = (torch.cat([part[i] for part in parts], dim=-1 if i else 0) for i in range(3))
    sums = {}
    for place, (group, choice) in enumerate(choices.items()):
        detected = choice.by_f1.fires(values[:, 2 * place])
        per_token = row_sums(detected, values[:, 2 * place + 1], (groups == group).any(0))
        sums[group] = torch.zeros(n_rows, 6, dtype=torch.float64).index_add_(0, row, per_token)
    return sums
