"""Known causes recovered: per class of a labelled corpus, the best single feature, against three controls.

1. On every other row, histogram each feature's activations per class, and so its F1 at each threshold and its AUC.
2. For each class take the feature and threshold with the best F1, and the feature with the best AUC.
3. On the rows in between, measure that F1 and that AUC: nothing is selected where it is scored.
4. Do the same for a random dictionary, for neurons of either sign, and with the labels of other rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.progress import SILENT, Progress
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.ablate import mean_activation
from mechlab.metrics.bootstrap import Values, from_draws, resampled
from mechlab.metrics.contenders import contenders, other_rows
from mechlab.metrics.labels import Classes
from mechlab.metrics.passes import RowsAtSite, at_site
from mechlab.metrics.race import Choice, Choices, LabelledTokens, auc, choose, f1, score
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route, side_by_side
from mechlab.models.sites import Site


class GroundTruthConfig(Config):
    """How to score: rows per pass, the least tokens a class needs in each half, the seed of controls and intervals."""

    batch_rows: PositiveInt = 16
    min_positives: PositiveInt = 20
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class Recovered:
    """How well one contender's best feature detects one class, on rows it was not chosen on.

    Attributes:
        class_name: `label=value`.
        n_positives: tokens of the class among the rows scored.
        choice: the feature and threshold whose F1 is given, and the feature whose AUC is given.
    """

    class_name: str
    contender: str
    n_positives: int
    choice: Choice
    f1: Estimate | None
    auc: Estimate | None


@dataclass(frozen=True)
class GroundTruth:
    """The table, and per contender the average over all classes.

    Attributes:
        recovered: one line per class and contender.
        mean_f1: by contender.
        mean_auc: by contender.
        f1_ahead: by contender, the dictionary's mean F1 less the contender's, on the same redrawn rows.
        left_out: classes too rare to score.
    """

    recovered: tuple[Recovered, ...]
    mean_f1: dict[str, Estimate | None]
    mean_auc: dict[str, Estimate | None]
    f1_ahead: dict[str, Estimate | None]
    left_out: tuple[str, ...]


@torch.no_grad()
def ground_truth(
    model: LanguageModel,
    dictionary: Dictionary,
    rows: TokenRows,
    site: str | Site | Route,
    config: GroundTruthConfig | None = None,
    progress: Progress = SILENT,
) -> GroundTruth:
    """Return how well single features recover the labelled causes, beside three controls.

    Source: Bricken et al. 2023, "Towards Monosemanticity" (features as detectors of known causes); Gurnee et al. 2023,
    "Finding neurons in a haystack" (best single neuron by F1). We select on one half of the rows and score on the
    other, and print the controls under the same selection.

    Raises:
        UsageError: the corpus has no labels.
    """
    config = config or GroundTruthConfig()
    classes = Classes.of(rows.label_names)
    if not classes.names:
        raise UsageError("corpus has no labels", remedy="Score ground truth on a labelled corpus such as `tales`.")
    read = Route.of(site, model.spec).inputs
    means = [mean_activation(model, rows, one, batch_rows=config.batch_rows) for one in read]
    mean = side_by_side(means).float().to(model.device)
    racers = contenders(dictionary, mean, config.seed)
    choosing, scoring = (rows.select(slice(first, None, 2)) for first in (0, 1))

    def batches(half: TokenRows, name: str) -> Iterator[LabelledTokens]:
        elsewhere = other_rows(half, torch_generator(config.seed, "labels of other rows"))
        return labelled_tokens(at_site(model, half, site, config.batch_rows, name, progress), elsewhere, classes)

    n_classes, least = len(classes.names), config.min_positives
    choices = choose(racers, batches(choosing, "choosing features"), n_classes, least)
    sums = score(racers, batches(scoring, "scoring features"), choices, len(scoring))
    common = [c for c in range(n_classes) if all(c in one and one[c][:, 3].sum() >= least for one in sums.values())]
    return _table(classes, choices, {name: {c: one[c] for c in common} for name, one in sums.items()}, config.seed)


def labelled_tokens(batches: Iterable[RowsAtSite], elsewhere: TokenRows, classes: Classes) -> Iterator[LabelledTokens]:
    """Yield the scored tokens of each batch with the classes their own labels, and those of other rows, give them."""
    start = 0
    for batch in batches:
        mixed = elsewhere.select(slice(start, start + len(batch.rows)))
        scored = ~batch.rows.special
        yield LabelledTokens(
            batch.inputs[batch.scored],
            classes.groups(batch.rows.labels, scored),
            classes.groups(mixed.labels, scored),
            scored.nonzero()[:, 0] + start,
        )
        start += len(batch.rows)


def _table(classes: Classes, choices: dict[str, Choices], sums: dict[str, dict[int, Tensor]], seed: int) -> GroundTruth:
    lines: list[Recovered] = []
    f1s: dict[str, list[Values]] = {name: [] for name in sums}
    aucs: dict[str, list[Values]] = {name: [] for name in sums}
    for name, per_class in sums.items():
        for c, table in per_class.items():
            draws = resampled(table, seed=seed)
            f1s[name].append(f1(draws))
            aucs[name].append(auc(draws))
            found = from_draws(f1s[name][-1], n=len(table)), from_draws(aucs[name][-1], n=len(table))
            lines.append(Recovered(classes.names[c], name, int(draws[0, 3]), choices[name][c], *found))
    kept = {line.class_name for line in lines}
    n_rows = max((len(table) for per_class in sums.values() for table in per_class.values()), default=0)
    return GroundTruth(
        tuple(lines),
        {name: _mean(draws, n_rows) for name, draws in f1s.items()},
        {name: _mean(draws, n_rows) for name, draws in aucs.items()},
        {
            name: _mean([a - b for a, b in zip(f1s["dictionary"], draws, strict=True)], n_rows)
            for name, draws in f1s.items()
        },
        tuple(name for name in classes.names if name not in kept),
    )


def _mean(per_class: list[Values], n_rows: int) -> Estimate | None:
    return from_draws(torch.stack(per_class).nanmean(0), n=n_rows) if per_class else None
