"""What is asked: a model, its observables, twin prompts for each of them, and text to measure on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from plain_twins import NAMES as PLAIN_NAMES
from plain_twins import plain_twins
from torch import Tensor
from twins import Swapping, asked, emotion_swap, gender_swap, season_swap, twins

import mechlab
from mechlab.circuits.observables.observable import Observable, less
from mechlab.core.config import digest
from mechlab.core.randomness import numpy_generator, torch_generator
from mechlab.corpora.rows import TokenRows, pack
from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.lexicon import EMOTIONS, SEASONS
from mechlab.corpora.tales.names import NAMES_BY_GENDER
from mechlab.corpora.tales.tasks import TASKS
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.models.language_model import LanguageModel

Names = Mapping[str, Sequence[str]]
HALVES = ("labelled", "held out")
ANSWERS = {"she - he": ("she", "he"), "her - him": ("her", "him"), "her - his": ("her", "his")}


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and what it is asked.

    Attributes:
        observables: by name.
        twins: pairs for an observable; those of the two halves have no name in common.
        text: rows that slopes and losses are measured on.
    """

    model: LanguageModel
    observables: Mapping[str, Observable]
    twins: Callable[[str, str], tuple[PromptPairs, ...]]
    text: TokenRows


def tales_subject(settings: Mapping[str, Any]) -> Subject:
    """Return the built-in model, asked in stories that it was not trained on."""
    model = mechlab.load("tales", device="cpu")
    assert model.tokenizer is not None
    tokenizer, observables = model.tokenizer, word_observables(model, ANSWERS)
    emotions, seasons = ({one.name: one[2] for one in kind} for kind in (EMOTIONS, SEASONS))
    for words, high, low in ((emotions, "joy", "sadness"), (seasons, "winter", "summer")):
        name = f"{high} - {low}"
        observables[name] = less(*(mechlab.word_set(tokenizer, list(words[one])) for one in (high, low)), name)

    @cache
    def of(name: str, half: str) -> tuple[PromptPairs, ...]:
        corpus = TalesCorpus(settings["seed"] + HALVES.index(half), [task for task in TASKS if task != "repetition"])
        swapping = _swapping(name, halves(NAMES_BY_GENDER, settings["seed"])[half])
        made = twins(corpus.documents(), swapping, settings["seed"], settings["longest"])
        return asked(made, settings["pairs"], observables[name], tokenizer, name)

    corpus = TalesCorpus(settings["seed"] + len(HALVES))
    text = pack(corpus, tokenizer, row_length=settings["row_length"], n_tokens=settings["tokens"])
    return Subject(model, observables, of, text)


def _swapping(name: str, names: Names) -> Swapping:
    if name in ANSWERS:
        return gender_swap(names, {ANSWERS[name][1]})
    high, _, low = name.partition(" - ")
    return (emotion_swap if high == "joy" else season_swap)(low, high)


def stories_subject(settings: Mapping[str, Any]) -> Subject:
    """Return the model in a folder that is not ours, asked in sentences of our own; its text is what it writes."""
    model = mechlab.load(settings["folder"], device="cpu")
    assert model.tokenizer is not None
    tokenizer = model.tokenizer
    observables = word_observables(model, {name: ANSWERS[name] for name in ("she - he", "her - his")})

    @cache
    def of(name: str, half: str) -> tuple[PromptPairs, ...]:
        names = halves(PLAIN_NAMES, settings["seed"])[half]
        made = plain_twins(name, names, settings["seed"] + HALVES.index(half), tokenizer)
        return asked(made, settings["pairs"], observables[name], tokenizer, name)

    return Subject(model, observables, of, written_text(model, settings))


def word_observables(model: LanguageModel, answers: Mapping[str, tuple[str, str]]) -> dict[str, Observable]:
    """Return differences of two words' logits, by their names."""
    assert model.tokenizer is not None
    return {name: mechlab.word_difference(model.tokenizer, *words, name) for name, words in answers.items()}


def halves(names: Names, seed: int) -> dict[str, Names]:
    """Return two halves of the names of each gender, drawn at random."""
    found: dict[str, dict[str, Sequence[str]]] = {half: {} for half in HALVES}
    for gender, own in names.items():
        order = numpy_generator(seed, f"halves of {gender} names").permutation(len(own)).tolist()
        for half, some in zip(HALVES, (order[: len(own) // 2], order[len(own) // 2 :]), strict=True):
            found[half][gender] = [own[number] for number in sorted(some)]
    return found


def written_text(model: LanguageModel, settings: Mapping[str, Any]) -> TokenRows:
    """Return rows that the model itself writes, drawn token by token from its predictions."""
    assert model.bos_id is not None
    n_rows, generator = -(-settings["tokens"] // settings["row_length"]), torch_generator(settings["seed"], "text")
    parts = [
        model.generate(start, settings["row_length"] - 1, temperature=1.0, generator=generator)
        for start in torch.full((n_rows, 1), model.bos_id).split(settings["rows_at_once"])
    ]
    tokens: Tensor = torch.cat(parts)
    special = torch.isin(tokens, torch.tensor(sorted(model.special_ids)))
    return TokenRows(tokens.int(), special, digest({"model": model.fingerprint, **settings}))
