"""Codes for a cause: every code of an index ranked by how well it alone tells a cause's tokens from all others.

1. A cause is some of the scored tokens.
2. A code is active on some of the cause's tokens and on others: that gives its precision, recall and F1.
3. The best get intervals over rows, all on the same redraws.
4. The null is the best code for the same cause moved by half the rows: as many tokens, as bunched, of other text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import torch
from jaxtyping import Float64, Int, Int64
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.metrics.bootstrap import from_draws, resampled
from mechlab.metrics.causes import Cause, Hits, some_of
from mechlab.metrics.code_index import CodeIndex

MOST_UNITS = 4_000

By = Literal["f1", "precision", "recall"]


@dataclass(frozen=True)
class Intervals:
    """Precision, recall and F1 with their intervals over rows; None where too few rows hold what they are about."""

    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None


@dataclass(frozen=True)
class CodeMatch(Hits):
    """A code and how well it tells a cause's tokens from others.

    Attributes:
        code: its number among the codes of all groups at the site.
        intervals: None where none were asked for.
    """

    site: str
    group: int
    code: int
    intervals: Intervals | None = None


def rank_codes(
    index: CodeIndex,
    mask: Cause,
    *,
    min_recall: float = 0.01,
    min_precision: float = 0.0,
    n: int = 20,
    by: By = "f1",
) -> tuple[CodeMatch, ...]:
    """Return the best codes for a cause, the best first, with intervals; equals are ranked by F1, then by number.

    The codes are chosen on the tokens they are judged on: hold the best against `null_match`.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features", the code search of their application: precision and
    recall of each code on the matches of a pattern, codes below a recall of 1 % left out. Intervals and null are ours.
    """
    best = _best(index, some_of(mask, "the cause"), n, by, (min_recall, min_precision))
    active = index.active_on([(one.site, one.code) for one in best])
    unit = index.row // ceil(index.n_rows / MOST_UNITS)
    found = intervals(active, [mask] * len(best), unit, int(unit.max()) + 1)
    return tuple(replace(one, intervals=bounds) for one, bounds in zip(best, found, strict=True))


def null_match(index: CodeIndex, mask: Cause, by: By = "f1") -> CodeMatch | None:
    """Return the best code for a cause that is none: the same tokens of the rows half a corpus further on.

    A cause keeps its frequency, its places in the row and its neighbours. None where nothing is active there.
    """
    grid = torch.zeros(index.n_rows, index.row_length, dtype=torch.bool)
    where = index.row.long(), index.position.long()
    grid[where] = mask
    moved = grid.roll(index.n_rows // 2, dims=0)[where]
    return next(iter(_best(index, moved, 1, by)), None)


def intervals(
    active: Sequence[Int64[Tensor, "_"]], masks: Sequence[Cause], unit: Int[Tensor, "n_tokens"], n_units: int
) -> list[Intervals]:
    """Return the intervals of each of several sets of tokens as a detector of its cause.

    Args:
        active: the numbers of the tokens something says yes to.
        masks: the tokens of its cause.
        unit: what is redrawn as one, for each token: its row, or a few rows that follow each other.
        n_units: how many there are.
    """
    if not active:
        return []
    tables = []
    for tokens, mask in zip(active, masks, strict=True):
        kinds = unit[tokens], unit[tokens[mask[tokens]]], unit[mask]
        tables += [torch.bincount(units, minlength=n_units) for units in kinds]
    draws = resampled(torch.stack(tables, dim=1).double())
    return [_intervals(one, n_units) for one in draws.split(3, dim=1)]


def _best(
    index: CodeIndex, mask: Cause, n: int, by: By = "f1", least: tuple[float, float] = (0.0, 0.0)
) -> list[CodeMatch]:
    """Return the best codes of all sites; `least` is the recall and the precision that it takes."""
    n_cause = int(mask.sum())
    active = torch.cat([index.totals[site] for site in index.books]).double()
    hits = torch.cat([index.uses(site, mask) for site in index.books]).double()
    precision, recall = hits / active.clamp(min=1), hits / max(n_cause, 1)
    f1 = 2 * hits / (active + n_cause).clamp(min=1)
    order = f1.argsort(descending=True, stable=True)
    by_score = {"f1": f1, "precision": precision, "recall": recall}[by]
    order = order[by_score[order].argsort(descending=True, stable=True)]
    fits = (hits > 0) & (recall >= least[0]) & (precision >= least[1])
    chosen = order[fits[order]][:n].tolist()
    return [_match(index, one, int(active[one]), int(hits[one]), n_cause) for one in chosen]


def _match(index: CodeIndex, number: int, n_active: int, n_hits: int, n_cause: int) -> CodeMatch:
    site, code = index.place(number)
    return CodeMatch(n_active, n_hits, n_cause, site, code // index.books[site].n_codes, code)


def _intervals(draws: Float64[Tensor, "n_draws 3"], n: int) -> Intervals:
    active, hits, cause = draws.unbind(1)
    return Intervals(*(from_draws(one, n=n) for one in (hits / active, hits / cause, 2 * hits / (active + cause))))
