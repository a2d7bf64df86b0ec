"""A pair before any tokenizer saw it: two texts in the same sentences, and the characters each role's word covers."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from mechlab.corpora.tales.writer import Marked, Template, Writer

ANSWER = "answer"


class Prompt(NamedTuple):
    """A text that ends right before the answer, and the [start, end) characters of each role's word."""

    text: str
    roles: Mapping[str, tuple[int, int]]


class Draft(NamedTuple):
    """A pair of prompts.

    Attributes:
        clean: the prompt.
        corrupted: the prompt with another cause.
        candidates: token ids that could be the answer.
        right: those that are right after the clean prompt.
        right_corrupted: those that are right after the corrupted one; none where the answer is undefined.
        facts: what the pair was made from.
    """

    clean: Prompt
    corrupted: Prompt
    candidates: Sequence[int]
    right: Sequence[int]
    right_corrupted: Sequence[int]
    facts: Mapping[str, Any]


def playing(word: str, role: str) -> Marked:
    """Return a word in a role."""
    return Marked(word, (("role", role),), reveals=False)


def written(*sentences: tuple[Template, Mapping[str, Any]]) -> Prompt:
    """Return the sentences with their slots filled, cut before the slot `answer` of the last one that has it."""
    writer = Writer(Random(0))  # Everything is decided: the writer only sets words down and says where they stand.
    for template, slots in sentences:
        writer.fill(template, {**slots, ANSWER: playing("?", ANSWER)})
    document = writer.document()
    places = {span.value: (span.start, span.end) for span in document.labels if span.name == "role"}
    end = places.pop(ANSWER)[0]
    return Prompt(document.text[:end].rstrip(), {role: place for role, place in places.items() if place[0] < end})
