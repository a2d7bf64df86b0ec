"""Two tokenizers: the built-in model's, and a byte-level BPE that has the plain words whole, leading space included."""

from typing import Any, NamedTuple

import pytest
import tokenizers
import torch
from oracles.tiny_texts import SPECIAL, TinyTokenizer
from tokenizers import Regex, models, pre_tokenizers, trainers

from mechlab.corpora.tasks import plain_words
from mechlab.models.language_model import LanguageModel
from mechlab.models.loaders import load

LISTS = ("PEOPLE", "PLACES", "OBJECTS", "COLOURS", "EVENTS", "SURFACES")


def byte_pairs(words: list[str], **ids: int | None) -> TinyTokenizer:
    """Return a byte-level BPE in which these words, and digits two by two, are one token behind a space."""
    library = tokenizers.Tokenizer(models.BPE())
    digits = pre_tokenizers.Split(Regex(r" ?\d{2}"), behavior="isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.pre_tokenizer = pre_tokenizers.Sequence([digits, letters])
    library.decoder = tokenizers.decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=20_000, special_tokens=SPECIAL, initial_alphabet=alphabet)
    years = [f"the year {century}{year:02d} to" for century in range(11, 20) for year in range(100)]
    library.train_from_iterator([f"the {word} the" for word in words] + years, trainer)
    return TinyTokenizer(library, **ids)


@pytest.fixture(scope="session")
def plain() -> TinyTokenizer:
    return byte_pairs([word for name in LISTS for word in getattr(plain_words, name)])


@pytest.fixture(scope="session")
def tales_model() -> LanguageModel:
    return load("tales", device="cpu")


@pytest.fixture(scope="session")
def tales(tales_model):
    return tales_model.tokenizer


@pytest.fixture(scope="session")
def solved(tales_model):
    """Return what gives the share of prompts whose best candidate, by the built-in model's logits, is right."""

    @torch.inference_mode()
    def share(batches, prompts: str = "clean") -> float:
        hits = []
        for pairs in batches:
            right = pairs.is_right if prompts == "clean" else pairs.is_right_corrupted
            logits = tales_model.logits(getattr(pairs, prompts))[:, -1]
            best = logits.gather(1, pairs.candidates).argmax(1, keepdim=True)
            hits += right.gather(1, best)[:, 0].tolist()
        return sum(hits) / len(hits)

    return share


@pytest.fixture(scope="session")
def told():
    """Return what reads pairs back: (text, corrupted text, word of each role, right words, right words corrupted)."""

    def read(batches, tokenizer) -> list[Told]:
        found = []
        for pairs in batches:
            for row, facts in enumerate(pairs.facts):
                words = [tokenizer.decode([token]).strip() for token in pairs.candidates[row].tolist()]
                roles, corrupted_roles = (
                    {
                        role: tokenizer.decode([int(ids[row, where[row]])]).strip()
                        for role, where in pairs.positions.items()
                    }
                    for ids in (pairs.clean, pairs.corrupted)
                )
                right, right_corrupted = (
                    [word for word, yes in zip(words, marks[row].tolist(), strict=True) if yes]
                    for marks in (pairs.is_right, pairs.is_right_corrupted)
                )
                texts = (tokenizer.decode(ids[row, 1:].tolist()) for ids in (pairs.clean, pairs.corrupted))
                found.append(Told(*texts, roles, corrupted_roles, words, right, right_corrupted, facts))
        return found

    return read


class Told(NamedTuple):
    text: str
    corrupted: str
    roles: dict[str, str]
    corrupted_roles: dict[str, str]
    candidates: list[str]
    right: list[str]
    right_corrupted: list[str]
    facts: dict[str, Any]
