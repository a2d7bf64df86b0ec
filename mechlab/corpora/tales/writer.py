"""The writer: every random choice goes through it and is priced; every word it sets down is labelled."""

import math
import re
from bisect import bisect
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar

from mechlab.corpora.documents import Document, Span
from mechlab.corpora.tales.lexicon import STATES
from mechlab.corpora.tales.names import GENDER

T = TypeVar("T")
_LOG = [0.0] + [math.log(count) for count in range(1, 2000)]
_SLOT = re.compile(r"\{(\w+)\}")


class Question(NamedTuple):
    """What the next word must be: right answers, wrong ones, and what they follow from."""

    answers: tuple[str, ...]
    distractors: tuple[str, ...]
    facts: Mapping[str, Any]


class Marked(NamedTuple):
    """A word and what is known about it.

    Attributes:
        text: the word.
        labels: (label, class) pairs of this place.
        question: what it answers, if anything.
        reveals: whether it tells the story's state.
        echoes: whether it repeats a word that is paid for, so that no choice is paid here.
    """

    text: str
    labels: tuple[tuple[str, str], ...] = ()
    question: Question | None = None
    reveals: bool = True
    echoes: bool = False


class Template:
    """A sentence or two with `{slots}`, cut into (literal, slot) parts once."""

    def __init__(self, text: str) -> None:
        self.text = text
        pieces = [*_SLOT.split(text), ""]
        self.parts = tuple(zip(pieces[::2], pieces[1::2], strict=True))


def templates(*texts: str) -> tuple[Template, ...]:
    """Return the templates for the texts."""
    return tuple(Template(text) for text in texts)


class Weighted(Generic[T]):
    """Options of unequal weight, with their prices in nats; an option of weight zero is none."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        weights = {option: weight for option, weight in weights.items() if weight > 0}
        self.options = tuple(weights)
        total = sum(weights.values())
        self.bounds = [bound / total for bound in accumulate(weights.values())][:-1]
        self.prices = [-math.log(weight / total) for weight in weights.values()]


class Writer:
    """Writes one document. `choose`, `weighted` and `distinct` are the only sources of chance."""

    def __init__(self, random: Random) -> None:
        self._draw = random.random
        self._pieces: list[str] = []
        self._length = 0
        self._spans: list[Span] = []
        self._lasting: dict[str, tuple[int, str]] = {}
        self._owed: list[tuple[str, float]] = []
        self._surprisals: list[tuple[int, float]] = []
        self.questions: list[tuple[int, Question]] = []

    def choose(self, options: Sequence[T]) -> T:
        """Return one of the options, each as likely as the others."""
        count = len(options)
        option = options[int(self._draw() * count)]
        if count > 1:
            self._charge(option, _LOG[count])
        return option

    def weighted(self, choice: Weighted[T]) -> T:
        """Return one of the options by weight."""
        index = bisect(choice.bounds, self._draw())
        if choice.prices[index]:
            self._charge(choice.options[index], choice.prices[index])
        return choice.options[index]

    def distinct(self, options: Sequence[T], count: int, besides: Collection[T] = ()) -> list[T]:
        """Return `count` different options in random order, none of those in `besides` (a subset of the options)."""
        taken: list[T] = []
        left = len(options) - len(besides)
        if left < count:
            raise ValueError(f"{count} different options asked for, {left} left")
        while len(taken) < count:
            option = options[int(self._draw() * len(options))]
            if option in besides or option in taken:
                continue
            self._charge(option, _LOG[left - len(taken)])
            taken.append(option)
        return taken

    def fill(self, template: Template, slots: Mapping[str, Any]) -> None:
        """Write a template; a slot takes a word, a Marked word, or a list of them (`the a, the b and the c`)."""
        if self._length:
            self._put(" ")
        for literal, slot in template.parts:
            self._put(literal)
            if slot:
                value = slots[slot]
                if isinstance(value, list):
                    self._enumerate(value)
                else:
                    self._word(value if isinstance(value, Marked) else Marked(value))

    def begin(self) -> int:
        """Return where the next word will stand."""
        return self._length + (self._length > 0)

    def end_passage(self, start: int, task: str) -> None:
        """Label everything since `start` with the task, and close what lasts for a passage only."""
        self._spans.append(Span(start, self._length, "task", task))
        if "subject" in self._lasting:
            begin, value = self._lasting.pop("subject")
            self._spans.append(Span(begin, self._length, "subject", value))

    def document(self) -> Document:
        """Return what was written; labels that last end with the text, and unshown choices are paid by its end."""
        text = "".join(self._pieces)
        end = len(text)
        self._spans += [Span(begin, end, name, value) for name, (begin, value) in self._lasting.items()]
        self._surprisals += [(end, nats) for _, nats in self._owed]
        surprisals = tuple((min(position, end), nats) for position, nats in self._surprisals)
        return Document(text, tuple(self._spans), sum(nats for _, nats in surprisals), surprisals)

    def _charge(self, option: object, nats: float) -> None:
        # A chosen word is paid for where it is written; any other choice shows at the next word.
        if isinstance(option, str):
            self._owed.append((option, nats))
        else:
            self._surprisals.append((self.begin(), nats))

    def _put(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def _word(self, word: Marked) -> None:
        text, labels, question, reveals, echoes = word
        start, end = self._length, self._length + len(text)
        for index, (owed, nats) in enumerate(() if echoes else self._owed):
            if owed == text:
                self._surprisals.append((start, nats))
                del self._owed[index]
                break
        if text in GENDER:
            self._spans.append(Span(start, end, "gender", GENDER[text]))
        for name, value in labels:
            if name == "subject":
                self._lasting.setdefault(name, (start, value))
            else:
                self._spans.append(Span(start, end, name, value))
        for name, value in STATES.get(text, ()) if reveals else ():
            self._lasting.setdefault(name, (start, value))
        if question is not None:
            self.questions.append((start, question))
        self._put(text)

    def _enumerate(self, words: list[Marked]) -> None:
        for index, word in enumerate(words):
            if index:
                self._put(" and " if index == len(words) - 1 else ", ")
            self._put("the ")
            self._word(word)
