"""Texts pushed towards a topic in several ways, each as strongly as it takes, and judged alike.

1. Every way has a ladder of strengths: more codes and more of their slots, or a longer vector.
2. On texts drawn for choosing, the first rung is taken at which at least 80 % speak of the topic; else the best one.
3. On fresh texts that rung is judged: share with the topic, loss under the model without any edit, distinct n-grams.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.activate_codes import CodeChoice, Slots, activate_codes
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.continuations import continuations
from mechlab.interventions.steer import feature_direction, steer
from mechlab.metrics.code_index import CodeIndex
from mechlab.metrics.written_text import WrittenText, judge_texts
from mechlab.models.language_model import LanguageModel

ENOUGH, CHOOSING, JUDGING = 0.8, 1000, 2000
LENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0)
Rung = tuple[str, Callable[[], AbstractContextManager[None]]]


@dataclass(frozen=True)
class Protocol:
    """Prompts, how many texts follow each, and how many tokens are added."""

    prompts: tuple[str, ...]
    n_choosing: int
    n_judging: int
    n_tokens: int


def base_texts(model: LanguageModel, judge: LanguageModel, pattern: str, protocol: Protocol, seed: int) -> dict:
    """Return what the texts of a model without any push are worth."""
    return plain(_judged(model, judge, nullcontext, pattern, protocol, JUDGING + seed))


def pushed(
    model: LanguageModel, judge: LanguageModel, rungs: Sequence[Rung], pattern: str, protocol: Protocol, seed: int
) -> dict[str, Any]:
    """Return which rung of a way was taken, and what its fresh texts are worth."""
    best, best_share = rungs[0], -1.0
    for rung in rungs:
        found = _judged(model, judge, rung[1], pattern, protocol, CHOOSING + seed, choosing=True)
        if found.topic_share.value > best_share:
            best, best_share = rung, found.topic_share.value
        if best_share >= ENOUGH:
            break
    found = _judged(model, judge, best[1], pattern, protocol, JUDGING + seed)
    return {"strength": best[0], **plain(found)}


def by_codes(model: CodebookModel, codes: Sequence[CodeChoice]) -> list[Rung]:
    """Return the rungs of codes: the first alone in one slot, in all, then more of them."""
    rungs: list[Rung] = []
    for n in (1, 2, 4, 8):
        slots: tuple[Slots, ...] = ("one", "all")
        for how in slots:
            chosen = codes[:n]
            rungs.append((f"{n}, {how}", lambda chosen=chosen, how=how: activate_codes(model, chosen, slots=how)))
    return rungs


def by_vector(model: LanguageModel, site: str, direction: Tensor) -> list[Rung]:
    """Return the rungs of a vector: its multiples."""
    return [(f"{by:g} times", lambda by=by: steer(model, site, direction, by)) for by in LENGTHS]


def by_feature(model: LanguageModel, site: str, dictionary: Dictionary, feature: int, strongest: float) -> list[Rung]:
    """Return the rungs of a dictionary's feature: multiples of a quarter of its strongest activation."""
    return by_vector(model, site, feature_direction(dictionary, feature, unit=False) * (strongest / 4))


def drawn_codes(index: CodeIndex, codes: Sequence[CodeChoice], seed: int) -> list[CodeChoice]:
    """Return for each code another one of its group that is in use, drawn."""
    found, draw = [], torch_generator(seed, "drawn codes")
    for one in codes:
        size = index.books[one.site].n_codes
        first = one.code // size * size
        used = index.totals[one.site][first : first + size].nonzero().squeeze(1) + first
        used = used[used != one.code]
        found.append(CodeChoice(one.site, int(used[torch.randint(len(used), (1,), generator=draw)])))
    return found


def plain(found: WrittenText) -> dict[str, Any]:
    """Return what is known of texts as numbers."""
    nll = found.nll_nats
    return {
        "share": [found.topic_share.value, found.topic_share.low, found.topic_share.high],
        "nll_nats": None if nll is None else [nll.value, nll.low, nll.high],
        "distinct": list(found.distinct.values()),
        "n": found.n_texts,
    }


def _judged(
    model: LanguageModel,
    judge: LanguageModel,
    push: Callable[[], AbstractContextManager[None]],
    pattern: str,
    protocol: Protocol,
    seed: int,
    *,
    choosing: bool = False,
) -> WrittenText:
    n_each = protocol.n_choosing if choosing else protocol.n_judging
    with push():
        texts = continuations(model, protocol.prompts, n_each, protocol.n_tokens, seed=seed)
    return judge_texts(judge, texts, pattern)
