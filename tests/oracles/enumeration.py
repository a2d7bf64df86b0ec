"""Every text a small grammar can write, with its probability: each choice is taken each way in turn.

Knows nothing of prices: probabilities come from the number of options and from the bounds the draw is compared with.
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from mechlab.corpora.tales import story
from mechlab.corpora.tales.lexicon import EMOTIONS, SEASONS, TOPICS
from mechlab.corpora.tales.tasks import greater_than, left_over, ownership, repetition, surname
from mechlab.corpora.tales.writer import Weighted, Writer


class EnumeratingWriter(Writer):
    """Takes the choices of a script, the first option beyond its end, and notes how many options each choice had."""

    def __init__(self, script: list[int]) -> None:
        super().__init__(Random(0))
        self.script, self.arities, self.probability = script, [], 1.0

    def _next(self, count: int) -> int:
        if len(self.arities) == len(self.script):
            self.script.append(0)
        self.arities.append(count)
        return self.script[len(self.arities) - 1]

    def choose(self, options: Sequence[Any]) -> Any:
        self.probability /= len(options)
        return options[self._next(len(options))]

    def weighted(self, choice: Weighted[Any]) -> Any:
        chances = [high - low for low, high in pairwise([0.0, *choice.bounds, 1.0])]
        index = self._next(len(chances))
        self.probability *= chances[index]
        return choice.options[index]

    def distinct(self, options: Sequence[Any], count: int, besides: Collection[Any] = ()) -> list[Any]:
        left = [option for option in options if option not in besides]
        taken = []
        for _ in range(count):
            self.probability /= len(left)
            taken.append(left.pop(self._next(len(left))))
        return taken


def every_text(tell: Callable[[story.Story], None]) -> Iterator[tuple[str, float]]:
    """Yield each way of telling: its text and its probability."""
    script: list[int] = []
    while True:
        writer = EnumeratingWriter(script)
        tell(story.Story(writer))
        yield writer.document().text, writer.probability
        while script and script[-1] + 1 == writer.arities[len(script) - 1]:
            script.pop()
        if not script:
            return
        script[-1] += 1


def entropy(probabilities: Collection[float]) -> float:
    """Return the entropy in nats."""
    return -sum(probability * math.log(probability) for probability in probabilities)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the lexicon so small that every text can be listed; its words stay real ones."""
    few = {"places": ("harbor", "beach"), "items": ("net", "oar", "sail"), "activities": ("rowed a boat",)}
    monkeypatch.setattr(story, "TOPICS", (TOPICS[0]._replace(**few),))
    emotions = [each._replace(feelings=each.feelings[:2], reactions=each.reactions[:2]) for each in EMOTIONS[:2]]
    monkeypatch.setattr(story, "EMOTIONS", tuple(emotions))
    seasons = [each._replace(months=each.months[:1], signs=each.signs[:2]) for each in SEASONS[:2]]
    monkeypatch.setattr(story, "SEASONS", tuple(seasons))
    monkeypatch.setattr(story, "NAMES", ("Mary", "Tom", "Anna"))
    monkeypatch.setattr(left_over, "N_ITEMS", Weighted({2: 0.7, 3: 0.3}))
    monkeypatch.setattr(ownership, "FROM_OWNER", ownership.FROM_OWNER[:1])
    monkeypatch.setattr(ownership, "FROM_OWNED", ownership.FROM_OWNED[:1])
    monkeypatch.setattr(ownership, "N_PEOPLE", Weighted({1: 0.4, 2: 0.6}))
    monkeypatch.setattr(ownership, "N_QUESTIONS", Weighted({1: 0.75, 2: 0.25}))
    monkeypatch.setattr(surname, "N_AGAIN", Weighted({1: 0.9, 2: 0.1}))
    monkeypatch.setattr(surname, "MEETING", surname.MEETING[:2])
    monkeypatch.setattr(surname, "AGAIN", surname.AGAIN[:3])
    monkeypatch.setattr(surname, "RARE_NAMES", ("Odette", "Silas"))
    monkeypatch.setattr(surname, "SURNAMES", ("Finch", "Marsh"))
    monkeypatch.setattr(greater_than, "STARTS", ("95", "97"))
    monkeypatch.setattr(greater_than, "EVENTS", ("war", "siege"))
    monkeypatch.setattr(repetition, "WORDS", ("net", "oar", "Tom", "sad"))
    monkeypatch.setattr(repetition, "LENGTHS", range(2, 5))
