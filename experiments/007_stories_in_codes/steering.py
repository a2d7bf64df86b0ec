"""Texts pushed towards a topic in several ways, each as strongly as it takes, and judged alike.

1. Every way has strengths to choose from: a code's slots, or how many codes, or how long a vector.
2. On texts drawn for choosing, strengths count at which at least 88 % of the texts speak of the topic (80 % are asked
   for; the rest is for luck); of these the one whose texts read most natural is taken, or, where there is none, the one
   with the largest share. Of numbers of codes, the fewest that do are looked for by halving.
3. On fresh texts it is judged: share with the topic, loss under the model without any edit, distinct n-grams.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.core.randomness import torch_generator
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.activate_codes import CodeChoice, Slots, activate_codes
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.continuations import continuations
from mechlab.interventions.steering.feature_direction import feature_direction
from mechlab.interventions.steering.steer import steer
from mechlab.metrics.code_index import CodeIndex
from mechlab.metrics.written_text import WrittenText, judge_texts
from mechlab.models.language_model import LanguageModel

ENOUGH, CHOOSING, JUDGING = 0.88, 1000, 2000
SLOTS: tuple[Slots, ...] = ("one", "all")
LENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0)
MOST_CODES = 24
Strength = tuple[str, Callable[[], AbstractContextManager[None]]]
Tried = tuple[str, Callable[[], AbstractContextManager[None]], WrittenText]


@dataclass(frozen=True)
class Protocol:
    """Prompts, how many texts follow each, and how many tokens are added."""

    prompts: tuple[str, ...]
    n_choosing: int
    n_judging: int
    n_tokens: int


@dataclass(frozen=True)
class Writer:
    """A model that writes, the model that judges, the topic's pattern, and the seed of the texts."""

    model: LanguageModel
    judge: LanguageModel
    pattern: str
    protocol: Protocol
    seed: int

    def judged(self, push: Callable[[], AbstractContextManager[None]], *, choosing: bool = False) -> WrittenText:
        """Return what texts written under a push are worth."""
        n_each = self.protocol.n_choosing if choosing else self.protocol.n_judging
        seed = self.seed + (CHOOSING if choosing else JUDGING)
        with push():
            texts = continuations(self.model, self.protocol.prompts, n_each, self.protocol.n_tokens, seed=seed)
        return judge_texts(self.judge, texts, self.pattern)


def unpushed(writer: Writer) -> dict[str, Any]:
    """Return what the texts of a model without any push are worth."""
    return plain(writer.judged(nullcontext))


def pushed(writer: Writer, strengths: Sequence[Strength]) -> dict[str, Any]:
    """Return which strength of a way was taken, and what its fresh texts are worth."""
    return best_of(writer, [(name, push, writer.judged(push, choosing=True)) for name, push in strengths])


def pushed_by_fewest(writer: Writer, strengths: Sequence[Strength]) -> dict[str, Any]:
    """Return the same for strengths that grow: the least that is enough is found by halving."""
    tried: list[Tried] = []
    low, high = 0, len(strengths)
    while low < high:
        middle = (low + high) // 2
        name, push = strengths[middle]
        tried.append((name, push, writer.judged(push, choosing=True)))
        low, high = (low, middle) if tried[-1][2].concept.value >= ENOUGH else (middle + 1, high)
    return best_of(writer, tried)


def best_of(writer: Writer, tried: Sequence[Tried]) -> dict[str, Any]:
    """Return which of the strengths tried was taken, and what its fresh texts are worth."""
    enough = [one for one in tried if one[2].concept.value >= ENOUGH and one[2].nll_nats is not None]
    if enough:
        name, push, _ = min(enough, key=lambda one: one[2].nll_nats.value)  # type: ignore[union-attr]
    else:
        name, push, _ = max(tried, key=lambda one: one[2].concept.value)
    return pushed_as(writer, (name, push))


def pushed_as(writer: Writer, strength: Strength) -> dict[str, Any]:
    """Return what fresh texts at one strength are worth."""
    name, push = strength
    return {"strength": name, **plain(writer.judged(push))}


def by_one_code(model: CodebookModel, code: CodeChoice) -> list[Strength]:
    """Return the strengths of a single code: one slot, or all of its group's."""
    return [(slots, lambda slots=slots: activate_codes(model, [code], slots=slots)) for slots in SLOTS]


def by_codes(model: CodebookModel, codes: Sequence[CodeChoice]) -> list[Strength]:
    """Return the strengths of several codes, a slot each: how many they are, from two."""
    return [
        (f"{n} codes", lambda chosen=codes[:n]: activate_codes(model, chosen, slots="one"))
        for n in range(2, len(codes) + 1)
    ]


def by_vector(model: LanguageModel, site: str, direction: Tensor) -> list[Strength]:
    """Return the strengths of a vector: its multiples."""
    return [(f"{by:g} times", lambda by=by: steer(model, site, direction, by)) for by in LENGTHS]


def by_feature(
    model: LanguageModel, site: str, dictionary: Dictionary, feature: int, strongest: float
) -> list[Strength]:
    """Return the strengths of a dictionary's feature: multiples of a quarter of its strongest activation."""
    return by_vector(model, site, feature_direction(dictionary, feature, unit=False) * (strongest / 4))


def drawn_codes(index: CodeIndex, codes: Sequence[CodeChoice], seed: int) -> list[CodeChoice]:
    """Return for each code another one of its group that is in use, drawn, each once."""
    found: list[CodeChoice] = []
    draw = torch_generator(seed, "drawn codes")
    for one in codes:
        size = index.books[one.site].n_codes
        first = one.code // size * size
        used = (index.totals[one.site][first : first + size].nonzero().squeeze(1) + first).tolist()
        left = [code for code in used if CodeChoice(one.site, code) not in {*codes, *found}]
        found.append(CodeChoice(one.site, left[int(torch.randint(len(left), (1,), generator=draw))]))
    return found


def plain(found: WrittenText) -> dict[str, Any]:
    """Return what is known of texts as numbers."""
    return {
        "share": plain_estimate(found.concept),
        "nll_nats": plain_estimate(found.nll_nats),
        "distinct": [round(share, 4) for share in found.distinct.values()],
        "n": found.n_texts,
    }


def plain_estimate(found: Estimate | None) -> list[float] | None:
    """Return value, lower and upper bound."""
    return None if found is None else [round(one, 4) for one in (found.value, found.low, found.high)]
