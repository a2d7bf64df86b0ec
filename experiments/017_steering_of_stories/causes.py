"""What stories are steered to: classes of words that their generator keeps apart, each with its sisters."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle

from mechlab.core.errors import UsageError
from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.lexicon import EMOTIONS, SEASONS, TOPICS
from mechlab.corpora.tales.names import NAMES_BY_GENDER, RARE_NAMES_BY_GENDER
from mechlab.metrics.concepts import Pattern, words

PRONOUNS = {"female": ("she", "her"), "male": ("he", "his")}
STORIES = ("season", "topic", "emotion", "ioi", "left_over", "greater_than", "pronoun", "ownership", "surname")
CAPITAL = {gender: tuple(word.capitalize() for word in own) for gender, own in PRONOUNS.items()}
Lists = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Cause:
    """A class among its sisters.

    Attributes:
        name: such as `sea`.
        family: the label of stories it is a value of.
        lists: its words, in lists that sisters have alike.
        sisters: those of the other classes.
        context: further words that go with the class, and are exchanged with it, without counting as written.
        said: a sentence about it, as stories have it.
    """

    name: str
    family: str
    lists: Lists
    sisters: Mapping[str, Lists]
    said: str
    context: Mapping[str, tuple[str, ...]]

    @property
    def words(self) -> tuple[str, ...]:
        """Return all its words."""
        return tuple(word for own in self.lists for word in own)

    @property
    def others(self) -> tuple[str, ...]:
        """Return the words of all its sisters."""
        return tuple(word for lists in self.sisters.values() for own in lists for word in own)

    @property
    def concept(self) -> Pattern:
        """Return what is looked for in a text."""
        return words(*self.words)

    @property
    def labels(self) -> tuple[str, str]:
        """Return the labels of tokens in stories about it, and in stories about any of its kind."""
        return f"{self.family}={self.name}", self.family

    def exchanged(self, text: str, sister: str) -> str:
        """Return a text with each of its words exchanged for one that a sister has in its place."""
        pairs = {}
        for own, other in zip(self.lists, self.sisters[sister], strict=True):
            pairs |= dict(zip(own, cycle(other)))
        if self.context:
            pairs |= dict(zip(self.context[self.name], cycle(self.context[sister])))
        return re.sub(r"\w+", lambda found: pairs.get(found[0], found[0]), text)


SAID = {
    "sea": "Mary lived near the harbor and often rowed a boat.",
    "kitchen": "Mary lived near the bakery and often baked a cake.",
    "winter": "It was January, the time of the snow.",
    "anger": "Mary felt angry and shouted.",
    "female": "Mary was late because she had lost her map.",
}


def _families() -> dict[str, dict[str, Lists]]:
    """Return the lists of every class, by the label that it is a value of."""
    return {
        "topic": {one.name: (one.items, one.places) for one in TOPICS},
        "season": {one.name: ((one.name,), one.months, one.signs) for one in SEASONS},
        "emotion": {one.name: (one.feelings, one.reactions) for one in EMOTIONS},
        "subject": {gender: (PRONOUNS[gender], CAPITAL[gender]) for gender in PRONOUNS},
    }


def cause(name: str) -> Cause:
    """Return a cause.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in SAID:
        raise UsageError("no such cause", value=name, remedy=f"Causes are {', '.join(SAID)}.")
    family, classes = next((one, own) for one, own in _families().items() if name in own)
    sisters = {other: lists for other, lists in classes.items() if other != name}
    names = {sex: NAMES_BY_GENDER[sex] + RARE_NAMES_BY_GENDER[sex] for sex in NAMES_BY_GENDER}
    return Cause(name, family, classes[name], sisters, SAID[name], names if family == "subject" else {})


def text_pairs(asked: Cause, n: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield openings of stories about a cause, each with the same about a sister, up to where both call for a word.

    That is right before the last word of the cause, in stories that have had one. Sisters are taken in turn.
    """
    found, sisters = 0, cycle(asked.sisters)
    word = re.compile(rf"\b({'|'.join(asked.words)})\b")
    for document in TalesCorpus(seed, STORIES).documents():
        places = [match.start() for match in word.finditer(document.text)]
        if len(places) < 2:
            continue
        text = document.text[: places[-1]].rstrip()
        yield text, asked.exchanged(text, next(sisters))
        found += 1
        if found == n:
            return
