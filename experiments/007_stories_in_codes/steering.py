"""Texts pushed towards a topic in several ways, each as strongly as it takes, and judged alike.

1. Every way has strengths to choose from: more codes or all of their slots; a longer vector.
2. On texts drawn for choosing, strengths count at which at least 80 % of the texts speak of the topic; of these the one
   whose texts read most natural is taken, or the one with the largest share where there is none.
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
from mechlab.interventions.activate_codes import CodeChoice, activate_codes
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.continuations import continuations
from mechlab.interventions.steer import feature_direction, steer
from mechlab.metrics.code_index import CodeIndex
from mechlab.metrics.written_text import WrittenText, judge_texts
from mechlab.models.language_model import LanguageModel

ENOUGH, CHOOSING, JUDGING = 0.8, 1000, 2000
LENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0)
HOW_MANY = (2, 4, 8, 12)
Strength = tuple[str, Callable[[], AbstractContextManager[None]]]


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
    tried = [(name, push, writer.judged(push, choosing=True)) for name, push in strengths]
    enough = [one for one in tried if one[2].topic_share.value >= ENOUGH and one[2].nll_nats is not None]
    if enough:
        name, push, _ = min(enough, key=lambda one: one[2].nll_nats.value)  # type: ignore[union-attr]
    else:
        name, push, _ = max(tried, key=lambda one: one[2].topic_share.value)
    return {"strength": name, **plain(writer.judged(push))}


def by_one_code(model: CodebookModel, code: CodeChoice) -> list[Strength]:
    """Return the strengths of a single code: one slot, or all of its group's."""
    return [
        ("one slot", lambda: activate_codes(model, [code], slots="one")),
        ("all slots", lambda: activate_codes(model, [code], slots="all")),
    ]


def by_codes(model: CodebookModel, codes: Sequence[CodeChoice]) -> list[Strength]:
    """Return the strengths of several codes, a slot each: how many they are."""
    return [
        (f"{n} codes", lambda chosen=codes[:n]: activate_codes(model, chosen, slots="one"))
        for n in HOW_MANY
        if n <= len(codes)
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
        "share": plain_estimate(found.topic_share),
        "nll_nats": plain_estimate(found.nll_nats),
        "distinct": [round(share, 4) for share in found.distinct.values()],
        "n": found.n_texts,
    }


def plain_estimate(found: Estimate | None) -> list[float] | None:
    """Return value, lower and upper bound."""
    return None if found is None else [round(one, 4) for one in (found.value, found.low, found.high)]
