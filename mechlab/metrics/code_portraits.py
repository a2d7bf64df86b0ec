"""Portraits of codes: how often each is used, the known cause it fits, the tokens it is active on, and where.

1. On every other row, count how well each code tells each known cause's tokens from others.
2. Choose: each cause's best code, the best recovered cause first, then each one's second best, as often as asked;
   then the codes used most, the sites in turn.
3. The match of a code with its cause is measured on the rows not chosen on, beside the best code by chance.
4. Contexts are drawn from all rows that hold the code, one token from a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import torch
from jaxtyping import Bool, Float64, Int64
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.code_index import CodeIndex
from mechlab.metrics.code_search import CodeMatch, intervals, null_match
from mechlab.metrics.contexts import Context, bounds
from mechlab.metrics.portraits import token_texts
from mechlab.models.language_model import LanguageModel

Code = tuple[str, int]


class CodePortraitConfig(Config):
    """What is portrayed, and how much of it is shown.

    `codes` names site and number of each code to portray; None takes the `n_codes` most interesting ones, at most
    `n_per_cause` for each known cause. `n_before` and `n_after` are the tokens shown on each side of the one looked
    at. `min_positives` is the least number of tokens a cause needs in the rows chosen on.
    """

    codes: tuple[tuple[str, NonNegativeInt], ...] | None = None
    n_codes: PositiveInt = 200
    n_per_cause: PositiveInt = 2
    n_tokens: PositiveInt = 8
    n_contexts: PositiveInt = 4
    n_before: NonNegativeInt = 16
    n_after: NonNegativeInt = 8
    min_positives: PositiveInt = 20
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class CauseFit:
    """The known cause a code fits best; it was chosen on other rows than the match is measured on.

    Attributes:
        by_chance: F1 of the best of all codes for the same tokens of rows half a corpus further on.
    """

    name: str
    match: CodeMatch
    by_chance: float


@dataclass(frozen=True)
class CodePortrait:
    """One code.

    Attributes:
        code: its number among the codes of all groups at the site.
        n_uses: the tokens it is active on.
        n_tokens: the tokens looked at.
        fit: None where there is no known cause, or none matches at all.
        tokens: the tokens it is active on most, as text, and how often.
        contexts: stretches around tokens it is active on; activations are 1 where it is active and 0 elsewhere.
    """

    site: str
    group: int
    code: int
    n_uses: int
    n_tokens: int
    fit: CauseFit | None
    tokens: tuple[tuple[str, int], ...]
    contexts: tuple[Context, ...]


def code_portraits(
    model: LanguageModel,
    index: CodeIndex,
    rows: TokenRows,
    config: CodePortraitConfig | None = None,
    progress: Progress = SILENT,
) -> tuple[CodePortrait, ...]:
    """Return portraits of the most interesting codes, the most interesting first, or of those asked for.

    Raises:
        UsageError: the rows are not those indexed, or a code asked for does not exist.
    """
    config = config or CodePortraitConfig()
    index.refuse_other(rows)
    causes = _causes(index, rows, config.min_positives)
    f1 = _f1(index, causes)
    codes = _asked(index, config.codes) if config.codes is not None else _interesting(index, f1, config)
    active = dict(zip(codes, index.active_on(codes), strict=True))
    fits = _fits(index, active, causes, f1)
    painter, found = _Painter(model, index, rows, config), []
    with progress.task("portraying codes", len(codes), "codes") as task:
        for code in codes:
            found.append(painter.portrait(code, active[code], fits.get(code)))
            task.advance(1)
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Painter:
    """Reads portraits off the tokens codes are active on; what all portraits have in common."""

    model: LanguageModel
    index: CodeIndex
    rows: TokenRows
    config: CodePortraitConfig

    def portrait(self, code: Code, active: Int64[Tensor, "n_active"], fit: CauseFit | None) -> CodePortrait:
        """Return one code's portrait."""
        site, number = code
        group = number // self.index.books[site].n_codes
        sizes = len(active), len(self.index)
        draw = torch_generator(self.config.seed, f"contexts of {site} {number}")
        contexts = tuple(self._context(active, int(place)) for place in self._drawn(active, draw))
        return CodePortrait(site, group, number, *sizes, fit, self._tokens(active), contexts)

    def _tokens(self, active: Int64[Tensor, "n_active"]) -> tuple[tuple[str, int], ...]:
        ids = self.rows.tokens[self.index.row[active].long(), self.index.position[active].long()]
        kinds, counts = ids.unique(return_counts=True)
        order = counts.argsort(descending=True, stable=True)[: self.config.n_tokens]
        return tuple(zip(token_texts(self.model, kinds[order]), counts[order].tolist(), strict=True))

    def _drawn(self, active: Int64[Tensor, "n_active"], draw: torch.Generator) -> Int64[Tensor, "n_drawn"]:
        """Return places in `active`: of tokens of different rows, drawn evenly from the rows and then from each."""
        _, counts = self.index.row[active].unique_consecutive(return_counts=True)
        picked = torch.randperm(len(counts), generator=draw)[: self.config.n_contexts]
        within = (torch.rand(len(picked), generator=draw, dtype=torch.float64) * counts[picked]).long()
        return (counts.cumsum(0) - counts)[picked] + within

    def _context(self, active: Int64[Tensor, "n_active"], place: int) -> Context:
        row, position = int(self.index.row[active[place]]), int(self.index.position[active[place]])
        start, end = bounds(position, self.rows.row_length, self.config.n_before, self.config.n_after)
        firing = set(self.index.position[active[self.index.row[active] == row]].tolist())
        tokens = token_texts(self.model, self.rows.tokens[row, start:end])
        return Context(row, start, tokens, tuple(float(p in firing) for p in range(start, end)), position - start)


def _causes(index: CodeIndex, rows: TokenRows, least: int) -> dict[str, Bool[Tensor, "n_tokens"]]:
    """Return the tokens of each cause that has enough of them in the rows chosen on."""
    scored, found = ~rows.special, {}
    for label, values in rows.label_names.items():
        for number, value in enumerate(values):
            mask = rows.labels[label][scored] == number
            if (mask & _chosen_on(index)).sum() >= least:
                found[f"{label}={value}"] = mask
    return found


def _chosen_on(index: CodeIndex) -> Bool[Tensor, "n_tokens"]:
    return index.row % 2 == 0


def _f1(index: CodeIndex, causes: dict[str, Tensor]) -> dict[str, Float64[Tensor, "n_causes _"]]:
    """Return, for each site, every code's F1 for each cause on the rows chosen on."""
    half, found = _chosen_on(index), {}
    halves = [mask & half for mask in causes.values()]
    for site, book in index.books.items():
        active = index.uses(site, half)
        scores = [2 * index.uses(site, mask).double() / (active + mask.sum()) for mask in halves]
        found[site] = torch.stack(scores) if scores else torch.zeros(0, book.n_all, dtype=torch.float64)
    return found


def _interesting(index: CodeIndex, f1: dict[str, Tensor], config: CodePortraitConfig) -> list[Code]:
    candidates = [*_by_cause(index, f1, config.n_per_cause), *_by_use(index, config.n_codes)]
    return list(dict.fromkeys(candidates))[: config.n_codes]


def _by_cause(index: CodeIndex, f1: dict[str, Tensor], n: int) -> Iterator[Code]:
    """Yield each cause's best code, the best recovered cause first, then each one's second best, up to `n`."""
    together = torch.cat([f1[site] for site in index.books], dim=1)
    values, places = together.topk(min(n, together.shape[1]), dim=1)
    order = values[:, 0].argsort(descending=True, stable=True)
    for rank in range(values.shape[1]):
        for place, value in zip(places[order, rank].tolist(), values[order, rank].tolist(), strict=True):
            if value > 0:
                yield index.place(place)


def _by_use(index: CodeIndex, n: int) -> Iterator[Code]:
    """Yield the codes used most, one of each site in turn."""
    lines = []
    for site, totals in index.totals.items():
        order = totals.argsort(descending=True, stable=True)[:n]
        lines.append([(site, code) for code in order[totals[order] > 0].tolist()])
    yield from (code for turn in zip_longest(*lines) for code in turn if code is not None)


def _asked(index: CodeIndex, codes: tuple[Code, ...]) -> list[Code]:
    for site, code in codes:
        if site not in index.books:
            raise UsageError("no codes at this site", value=site, remedy=f"There are at {', '.join(index.books)}.")
        if code >= index.books[site].n_all:
            remedy = f"Codes are 0..{index.books[site].n_all - 1}."
            raise UsageError(f"no such code at {site}", value=code, remedy=remedy)
    return list(dict.fromkeys(codes))


def _fits(
    index: CodeIndex, active: dict[Code, Tensor], causes: dict[str, Tensor], f1: dict[str, Tensor]
) -> dict[Code, CauseFit]:
    """Return the best cause of each code that has one, measured on the rows not chosen on."""
    names, unseen = list(causes), ~_chosen_on(index)
    scores = {(site, code): f1[site][:, code] for site, code in active}
    best = {code: names[int(own.argmax())] for code, own in scores.items() if own.any()}
    if not unseen.any():
        return {}
    tokens = [active[code][unseen[active[code]]] for code in best]
    masks = [causes[name] & unseen for name in best.values()]
    found = intervals(tokens, masks, index.row // 2, index.n_rows // 2)
    chance = {name: null_match(index, causes[name]) for name in set(best.values())}
    fits = {}
    for (code, name), own, mask, around in zip(best.items(), tokens, masks, found, strict=True):
        group = code[1] // index.books[code[0]].n_codes
        match = CodeMatch(len(own), int(mask[own].sum()), int(mask.sum()), code[0], group, code[1], around)
        null = chance[name]
        fits[code] = CauseFit(name, match, null.f1 if null else 0.0)
    return fits
