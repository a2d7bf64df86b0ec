"""Codes for a cause: every code of an index ranked by how well it alone tells a cause's tokens from all others.

1. A cause is some of the scored tokens: those with a label, or those that overlap a match of a pattern.
2. A code is active on some of the cause's tokens and on others: that gives its precision, recall and F1.
3. The best get intervals over rows, all on the same redraws.
4. The null is the best code for the same cause moved by half the rows: as many tokens, as bunched, of other text.
5. A neuron is held against a code at equal recall: with the threshold at which it first finds as much of the cause.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from math import ceil
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Int, Int64
from torch import Tensor

from mechlab.core.errors import UnknownName, UsageError
from mechlab.core.estimate import Estimate
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.bootstrap import from_draws, resampled
from mechlab.metrics.code_index import CodeIndex
from mechlab.models.language_model import LanguageModel

MOST_UNITS = 4_000
NEURONS_AT_ONCE = 64
CUT = "\ufffd"

Cause = Bool[Tensor, "n_tokens"]
By = Literal["f1", "precision", "recall"]


@dataclass(frozen=True)
class Hits:
    """On how many tokens something says yes, how many of them are the cause's, and how many tokens the cause has."""

    n_active: int
    n_hits: int
    n_cause: int

    @property
    def precision(self) -> float:
        """The cause's share of the tokens it says yes to."""
        return self.n_hits / max(self.n_active, 1)

    @property
    def recall(self) -> float:
        """The share of the cause's tokens it says yes to."""
        return self.n_hits / max(self.n_cause, 1)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.n_hits / max(self.n_active + self.n_cause, 1)


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


@dataclass(frozen=True)
class NeuronMatch(Hits):
    """A neuron that says yes where `sign` times its activation is at least `threshold`."""

    neuron: int
    sign: int
    threshold: float


def labelled_cause(rows: TokenRows, name: str) -> Cause:
    """Return the scored tokens with a label: `month=May`, or `month` for any of its values.

    Raises:
        UsageError: there is no such label or value, or no token carries it.
    """
    label, equals, value = name.partition("=")
    if label not in rows.label_names:
        known = f"Labels are {', '.join(rows.label_names)}." if rows.label_names else "The corpus has no labels."
        raise UnknownName("no such label", value=label, remedy=known)
    values, found = rows.label_names[label], rows.labels[label][~rows.special]
    if equals and value not in values:
        raise UnknownName(f"{label} has no such value", value=value, remedy=f"Values are {', '.join(values)}.")
    return _some(found == values.index(value) if equals else found >= 0, name)


def regex_cause(rows: TokenRows, model: LanguageModel, pattern: str) -> Cause:
    """Return the scored tokens that overlap a match of a regular expression in their row's text.

    Special tokens part a row into texts of their own, which no match crosses; `(?i)` in front ignores case.

    Raises:
        UsageError: the pattern is no regular expression, no token overlaps a match, or the model has no tokenizer.
    """
    try:
        matches = re.compile(pattern).finditer
    except re.error as error:
        remedy = f"Not a regular expression: {error}. Put a backslash before characters that mean themselves."
        raise UsageError("pattern does not compile", value=pattern, remedy=remedy) from None
    found, spelling = torch.zeros_like(rows.special), Spelling(model)
    marks = found.numpy()  # the same memory: NumPy marks a short stretch ten times faster than torch
    for row, start, end in _texts(rows.special):
        text, begins, ends = spelling.spelled(rows.tokens[row, start:end].tolist())
        for match in matches(text):
            first, last = bisect_right(ends, match.start()), bisect_left(begins, match.end())
            if match[0]:
                marks[row, start + first : start + last] = True
    return _some(found[~rows.special], pattern)


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
    best = _best(index, _some(mask, "the cause"), n, by, (min_recall, min_precision))
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
    n_cause = int(_some(mask, "the cause").sum())
    needed = max(1, ceil(recall * n_cause - 1e-9))
    found = [
        _best_neuron(mask, sign * block.float(), needed, sign, place * NEURONS_AT_ONCE)
        for sign in ((1, -1) if negative else (1,))
        for place, block in enumerate(activations.split(NEURONS_AT_ONCE, dim=1))
    ]
    return max(found, key=lambda one: one.precision)


class Spelling:
    """Tokens as text, with the characters that each has a part in."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._strings: dict[int, str] = {}

    def spelled(self, tokens: list[int]) -> tuple[str, list[int], list[int]]:
        """Return the text of a stretch of tokens, and where in it each token begins and ends.

        Where several tokens hold the bytes of one character, it belongs to each of them.
        """
        strings = [self._text(tokens[:1]), *map(self._string, tokens[1:])]
        if not any(CUT in string for string in strings):
            return "".join(strings), *_side_by_side(strings)
        text, begins, ends = "", [], []
        for cut, run in groupby(range(len(tokens)), lambda place: CUT in strings[place]):
            places = list(run)
            joined = [self._text(tokens[places[0] : end + 1]) for end in places] if cut else None
            starts, stops = _whole(joined) if joined else _side_by_side([strings[place] for place in places])
            begins += [len(text) + start for start in starts]
            ends += [len(text) + stop for stop in stops]
            text += joined[-1] if joined else "".join(strings[place] for place in places)
        return text, begins, ends

    def _string(self, token: int) -> str:
        if token not in self._strings:
            self._strings[token] = self._model.token_strings(torch.tensor([token]))[0]
        return self._strings[token]

    def _text(self, tokens: list[int]) -> str:
        return self._model.to_text(torch.tensor([tokens]))[0]


def _side_by_side(strings: list[str]) -> tuple[list[int], list[int]]:
    ends = list(accumulate(map(len, strings)))
    return [0, *ends[:-1]], ends


def _whole(grown: list[str]) -> tuple[list[int], list[int]]:
    """Return where tokens begin and end whose texts, one token longer each, may end within a character."""
    finished = [0, *(len(text.rstrip(CUT)) for text in grown[:-1])]
    return finished, [min(len(text), len(grown[-1])) for text in grown]


def _texts(special: Bool[Tensor, "n_rows pos"]) -> Iterator[tuple[int, int, int]]:
    """Yield row, start and end of each stretch without a special token."""
    edges = torch.nn.functional.pad((~special).to(torch.int8), (1, 1)).diff(dim=1)
    for (row, start), (_, end) in zip((edges == 1).nonzero().tolist(), (edges == -1).nonzero().tolist(), strict=True):
        yield row, start, end


def _some(mask: Cause, name: str) -> Cause:
    if not mask.any():
        raise UsageError("no token belongs to this cause", value=name, remedy="Give another, or a longer corpus.")
    return mask


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


def _best_neuron(
    mask: Cause, activations: Float[Tensor, "n_tokens some"], needed: int, sign: int, first: int
) -> NeuronMatch:
    inside = activations[mask]
    thresholds = inside.kthvalue(len(inside) - needed + 1, dim=0).values
    active, hits = ((values >= thresholds).sum(0) for values in (activations, inside))
    best = int((hits / active).argmax())
    counts = int(active[best]), int(hits[best]), len(inside)
    return NeuronMatch(*counts, first + best, sign, thresholds[best].item())
