"""Causes: the tokens with a known label, or those that overlap a match of a pattern, and what says yes to them."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby

import torch
from jaxtyping import Bool
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.corpora.labels import labelled
from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel

CUT = "\ufffd"

Cause = Bool[Tensor, "n_tokens"]


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


def labelled_cause(rows: TokenRows, name: str) -> Cause:
    """Return the scored tokens with a label: `month=May`, or `month` for any of its values.

    Raises:
        UsageError: there is no such label or value, or no token carries it.
    """
    return some_of(labelled(rows, name)[~rows.special], name)


def regex_cause(rows: TokenRows, model: LanguageModel, pattern: str) -> Cause:
    """Return the scored tokens that overlap a match of a regular expression in their row's text.

    Special tokens part a row into texts of their own, which no match crosses; `(?i)` in front ignores case.

    Raises:
        UsageError: the pattern is no regular expression, no token overlaps a match, or the model has no tokenizer.
    """
    matches = compiled(pattern).finditer
    found, spelling = torch.zeros_like(rows.special), Spelling(model)
    marks = found.numpy()  # the same memory: NumPy marks a short stretch ten times faster than torch
    for row, start, end in _texts(rows.special):
        text, begins, ends = spelling.spelled(rows.tokens[row, start:end].tolist())
        for match in matches(text):
            first, last = bisect_right(ends, match.start()), bisect_left(begins, match.end())
            if match[0]:
                marks[row, start + first : start + last] = True
    return some_of(found[~rows.special], pattern)


def right_before(rows: TokenRows, cause: Cause) -> Cause:
    """Return the scored tokens right before each stretch of a cause's tokens: where a model is about to write it.

    A special token parts stretches, and a row's first token has none before it.

    Raises:
        UsageError: there is none.
    """
    grid = torch.zeros_like(rows.special)
    grid[~rows.special] = cause
    begins = torch.nn.functional.pad(grid[:, 1:] & ~grid[:, :-1], (0, 1))
    return some_of(begins[~rows.special], "what comes right before the cause")


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern that was given as text.

    Raises:
        UsageError: it is no regular expression.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        remedy = f"Not a regular expression: {error}. Put a backslash before characters that mean themselves."
        raise UsageError("pattern does not compile", value=pattern, remedy=remedy) from None


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


def some_of(mask: Cause, name: str) -> Cause:
    """Return a cause that has a token.

    Raises:
        UsageError: it has none.
    """
    if not mask.any():
        raise UsageError("no token belongs to this cause", value=name, remedy="Give another, or a longer corpus.")
    return mask
