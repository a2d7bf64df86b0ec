"""Which known causes an amount tells apart: the AUC of a component's write for every label, against two nulls.

1. On every other row the classes are ranked by how far the AUC of the amount, or of its size, lies from 1/2.
2. On the rows in between the AUC of the first of them is taken, with its interval over rows: none is chosen where it is
   scored.
3. Shuffled labels: the labels of other rows, position by position, drawn several times.
4. Drawn directions: amounts along random directions of the same head. A head that carries a cause carries it along most
   of its directions; a component stands out only beyond them.
5. Of each null the farthest of all draws is reported.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64
from pydantic import NonNegativeInt, PositiveInt
from scipy.stats import rankdata
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.bootstrap import estimate
from mechlab.metrics.contenders import other_rows
from mechlab.metrics.labels import Classes
from mechlab.metrics.race import auc, row_sums

Reading = Literal["amount", "size"]
READINGS: tuple[Reading, ...] = ("amount", "size")


class ProjectionConfig(Config):
    """How many causes to report, the least tokens a class needs in each half, shuffles of the labels, and the seed."""

    n_causes: PositiveInt = 5
    min_positives: PositiveInt = 20
    n_shuffles: PositiveInt = 20
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class Told:
    """How well one reading of the amount tells a cause's tokens from the others.

    Attributes:
        auc: above 1/2 where the cause's tokens have the larger ones.
        shuffled: of all shuffles of the labels, the AUC farthest from 1/2, on this one's side of it.
        drawn: of all directions drawn, that farthest from 1/2, on this one's side; a direction has no sign of its own.
        n_as_far: directions drawn whose AUC is at least as far from 1/2.
    """

    auc: Estimate
    shuffled: float
    drawn: float
    n_as_far: int


@dataclass(frozen=True)
class CarriedCause:
    """A known cause and what an amount tells of it.

    Attributes:
        name: `label=value`.
        n_positives: tokens of the cause among those scored.
        best: the reading it was chosen by.
        amount: with its sign.
        size: without.
    """

    name: str
    n_positives: int
    best: Reading
    amount: Told
    size: Told

    @property
    def told(self) -> Told:
        """Return what the reading it was chosen by tells."""
        return self.amount if self.best == "amount" else self.size


@dataclass(frozen=True)
class CarriedCauses:
    """The causes an amount tells best, chosen on other rows than they are scored on.

    Attributes:
        causes: the best one first.
        n_classes: how many they were chosen from.
        n_drawn: directions drawn.
        n_shuffles: shuffles of the labels.
    """

    causes: tuple[CarriedCause, ...]
    n_classes: int
    n_drawn: int
    n_shuffles: int


@dataclass(frozen=True, eq=False)
class _Half:
    """Scored tokens of some rows: their amounts, those along drawn directions, and the classes they are in."""

    rows: TokenRows
    amounts: Float[Tensor, "n_tokens"]
    drawn: Float[Tensor, "n_drawn n_tokens"]
    positive: Bool[Tensor, "n_classes n_tokens"]


@torch.no_grad()
def carried_causes(
    amounts: Float[Tensor, "n_rows pos"],
    drawn: Float[Tensor, "n_drawn n_rows pos"],
    rows: TokenRows,
    config: ProjectionConfig | None = None,
) -> CarriedCauses:
    """Return the labelled causes that an amount tells apart best, beside shuffled labels and drawn directions.

    Args:
        amounts: what a head writes along a direction, at every token of the rows.
        drawn: the same along random directions that the head can write.
        rows: a labelled text; special tokens are left out.
        config: how to score.

    Raises:
        UsageError: the corpus has no labels, or there are no directions drawn.

    Source: Bricken et al. 2023, "Towards Monosemanticity" (directions as detectors of known causes); Gurnee et al.
    2023, "Finding neurons in a haystack". That the rest of the same head is the null is ours.
    """
    config = config or ProjectionConfig()
    classes = Classes.of(rows.label_names)
    if not classes.names:
        raise UsageError("corpus has no labels", remedy="Look for causes on a labelled corpus such as `tales`.")
    if not len(drawn):
        raise UsageError("no direction is drawn to compare with", value=0, remedy="Draw at least one, better 20.")
    choosing, scoring = (_half(amounts, drawn, rows, classes, slice(first, None, 2)) for first in (0, 1))
    n_least = torch.minimum(*(half.positive.sum(1) for half in (choosing, scoring)))
    known = (n_least >= config.min_positives).nonzero().squeeze(1).tolist()
    chosen = _chosen(choosing, known)[: config.n_causes]
    shuffled = list(_shuffled(scoring.rows, classes, [c for c, _ in chosen], config))
    found = {reading: _told(scoring, [c for c, _ in chosen], shuffled, reading, config.seed) for reading in READINGS}
    causes = [
        CarriedCause(classes.names[c], int(scoring.positive[c].sum()), best, amount, size)
        for (c, best), amount, size in zip(chosen, found["amount"], found["size"], strict=True)
        if amount is not None and size is not None
    ]
    return CarriedCauses(tuple(causes), len(known), len(drawn), config.n_shuffles)


def _half(
    amounts: Float[Tensor, "n_rows pos"],
    drawn: Float[Tensor, "n_drawn n_rows pos"],
    rows: TokenRows,
    classes: Classes,
    picked: slice,
) -> _Half:
    own = rows.select(picked)
    scored = ~own.special
    return _Half(
        own, amounts[picked][scored], drawn[:, picked][:, scored], _positive(own, classes, range(len(classes.names)))
    )


def _positive(rows: TokenRows, classes: Classes, asked: Sequence[int]) -> Bool[Tensor, "n_asked n_tokens"]:
    """Return which scored tokens are in which of the classes asked for."""
    groups = classes.groups(rows.labels, ~rows.special)
    found = torch.zeros(len(asked), groups.shape[1], dtype=torch.bool)
    for place, c in enumerate(asked):
        found[place] = (groups == c).any(0)
    return found


def _chosen(half: _Half, known: list[int]) -> list[tuple[int, Reading]]:
    """Return classes by how far their better reading's AUC lies from 1/2, and that reading."""
    positive = half.positive[known]
    areas = {name: _areas(_ranks(_read(half.amounts, name)[None]), positive)[0].tolist() for name in READINGS}
    best: list[Reading] = [max(READINGS, key=lambda name: _far(areas[name][place])) for place in range(len(known))]
    order = sorted(range(len(known)), key=lambda place: -_far(areas[best[place]][place]))
    return [(known[place], best[place]) for place in order]


def _shuffled(
    rows: TokenRows, classes: Classes, chosen: list[int], config: ProjectionConfig
) -> Iterator[Bool[Tensor, "n_chosen n_tokens"]]:
    """Yield, for each shuffle, which tokens are in which chosen class by the labels of other rows."""
    generator = torch_generator(config.seed, "labels of other rows")
    for _ in range(config.n_shuffles):
        yield _positive(other_rows(rows, generator), classes, chosen)


def _told(
    half: _Half, chosen: list[int], shuffled: list[Bool[Tensor, "n_chosen n_tokens"]], reading: Reading, seed: int
) -> list[Told | None]:
    """Return what one reading tells of each chosen class; None where too few rows have it for an interval."""
    own, others = _read(half.amounts, reading), _read(half.drawn, reading)
    positive = half.positive[chosen]
    by_drawn = _areas(_ranks(others), positive)
    ranks = _ranks(own[None])
    by_shuffle = torch.cat([_areas(ranks, one) for one in shuffled])
    areas = [_interval(own, one, half.rows, seed) for one in positive]
    return [
        None if area is None else _beside(area, by_shuffle[:, place].tolist(), by_drawn[:, place].tolist())
        for place, area in enumerate(areas)
    ]


def _beside(area: Estimate, shuffled: list[float], drawn: list[float]) -> Told:
    """Return an area beside the farthest ones of its nulls, these on its side of 1/2."""
    side = 1 if area.value >= 0.5 else -1
    by_shuffle, by_direction = (0.5 + side * max(map(_far, one)) for one in (shuffled, drawn))
    return Told(area, by_shuffle, by_direction, sum(_far(one) >= _far(area.value) for one in drawn))


def _interval(
    values: Float[Tensor, "n_tokens"], positive: Bool[Tensor, "n_tokens"], rows: TokenRows, seed: int
) -> Estimate | None:
    sums = torch.zeros(len(rows), 6, dtype=torch.float64)
    sums.index_add_(0, (~rows.special).nonzero()[:, 0], row_sums(positive, values, positive))
    return estimate(sums, auc, seed=seed)


def _read(amounts: Float[Tensor, "*many n_tokens"], reading: Reading) -> Float[Tensor, "*many n_tokens"]:
    return amounts if reading == "amount" else amounts.abs()


def _ranks(values: Float[Tensor, "m n_tokens"]) -> Float64[Tensor, "m n_tokens"]:
    """Return ranks from 1 upwards, ties sharing their mean."""
    return torch.from_numpy(rankdata(values.double().numpy(), axis=1))


def _areas(ranks: Float64[Tensor, "m n_tokens"], positive: Bool[Tensor, "n n_tokens"]) -> Float64[Tensor, "m n"]:
    """Return the area under each line's ROC curve for each class: Mann and Whitney's U over pairs of tokens."""
    n_positive = positive.sum(1).double()
    n_pairs = n_positive * (positive.shape[1] - n_positive)
    return (ranks @ positive.double().T - n_positive * (n_positive + 1) / 2) / n_pairs.clamp(min=1)


def _far(area: float) -> float:
    return abs(area - 0.5)
