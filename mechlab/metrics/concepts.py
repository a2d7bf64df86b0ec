"""Concepts: what written texts are looked through for, a score from 0 to 1 for each text, without any other model.

1. A pattern scores 1 where it is found behind the prompt.
2. A probe scores the share of written tokens at which the model that reads them, without any edit, is on its side.
3. Whatever else scores texts, a judge that is asked for one, fits the same call.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.continuations import Continuation
from mechlab.metrics.causes import compiled
from mechlab.metrics.mentions import mentions
from mechlab.models.language_model import LanguageModel

Scores = Float64[Tensor, "n_texts"]
ROWS_AT_ONCE = 64


@runtime_checkable
class Concept(Protocol):
    """Something that texts may be about."""

    def scores(self, reader: LanguageModel, texts: Sequence[Continuation]) -> Scores:
        """Return how much each text is about it, from 0 to 1; the reader is the model without any edit."""
        ...


@dataclass(frozen=True)
class Pattern:
    """A regular expression, looked for in the lower-cased text behind each prompt."""

    regex: str

    def __post_init__(self) -> None:
        compiled(self.regex)

    def scores(self, reader: LanguageModel, texts: Sequence[Continuation]) -> Scores:
        """Return 1 for each text that holds a match."""
        return torch.cat([mentions(reader, one.written, compiled(self.regex)) for one in texts]).double()


def words(*listed: str) -> Pattern:
    """Return the concept of any of these words, each as a whole, whatever their case.

    Raises:
        UsageError: there is no word.
    """
    if not listed or not all(word.strip() for word in listed):
        raise UsageError("no word to look for", value=list(listed), remedy="Give at least one.")
    escaped = "|".join(sorted(_escaped(word.strip().lower()) for word in listed))
    return Pattern(rf"(?<!\w)(?:{escaped})(?!\w)")


@dataclass(frozen=True, eq=False)
class Probed:
    """The positive side of a plane through the reader's activations.

    Attributes:
        site: where the reader is looked at.
        direction: the plane's normal.
        bias: what is added to the product with it.
    """

    site: str
    direction: Float[Tensor, "d_site"]
    bias: float = 0.0

    @torch.no_grad()
    def scores(self, reader: LanguageModel, texts: Sequence[Continuation]) -> Scores:
        """Return the share of each text's written tokens that are on that side; special tokens do not count.

        Raises:
            UsageError: the direction does not fit the site.
        """
        special, found = torch.tensor(sorted(reader.special_ids)), []
        for one in texts:
            for rows in one.tokens.split(ROWS_AT_ONCE):
                seen = reader.activations(rows.to(reader.device), [self.site])[self.site][:, one.n_prompt :]
                if seen.shape[-1] != len(self.direction):
                    remedy = f"{self.site} has width {seen.shape[-1]}."
                    raise UsageError("direction does not fit the site", value=len(self.direction), remedy=remedy)
                counts = ~torch.isin(rows[:, one.n_prompt :], special)
                on = ((seen @ self.direction.to(seen) + self.bias) > 0).cpu() & counts
                found.append(on.double().sum(1) / counts.double().sum(1).clamp(min=1))
        return torch.cat(found)


def as_concept(given: "Concept | str") -> Concept:
    """Return a concept; a text is a pattern.

    Raises:
        UsageError: the pattern does not compile.
    """
    return Pattern(given) if isinstance(given, str) else given


def _escaped(word: str) -> str:
    """Return a word as a pattern of itself, spaces as any white space."""
    return r"\s+".join(re.escape(part) for part in word.split())
