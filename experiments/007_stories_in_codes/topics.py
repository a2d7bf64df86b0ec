"""What stories can be about, as the generator that writes them knows it: words in a text, and where it calls for them.

A topic calls for its words right before one of them is written in a story that is known to be about it: a code for
that says what comes next. (The first such word of a story is drawn, and nothing before it tells which.)
"""

from dataclasses import dataclass

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tales.lexicon import EMOTIONS, SEASONS, TOPICS
from mechlab.metrics.causes import Cause, labelled_cause, regex_cause, right_before
from mechlab.models.language_model import LanguageModel

PRONOUNS = {"female": ("she", "her"), "male": ("he", "his", "him")}


@dataclass(frozen=True)
class Topic:
    """A class of words, and the label of a story that is about it; None if a story writes such a word once only."""

    words: tuple[str, ...]
    label: str | None

    @property
    def pattern(self) -> str:
        """Return the regular expression of its words, for lower-cased text."""
        return rf"\b({'|'.join(word.lower() for word in self.words)})\b"

    def mentions(self, rows: TokenRows, model: LanguageModel) -> Cause:
        """Return the tokens of its words."""
        return regex_cause(rows, model, f"(?i){self.pattern}")

    def calls(self, rows: TokenRows, model: LanguageModel) -> Cause | None:
        """Return the tokens right before its words, in stories known to be about it; None if none is told twice."""
        if self.label is None:
            return None
        return right_before(rows, self.mentions(rows, model)) & labelled_cause(rows, self.label)


def topics() -> dict[str, Topic]:
    """Return all topics by name."""
    found = {f"season: {one.name}": Topic((one.name, *one.signs), f"season={one.name}") for one in SEASONS}
    found |= {f"months of {one.name}": Topic(one.months, None) for one in SEASONS}
    found |= {f"emotion: {one.name}": Topic((*one.feelings, *one.reactions), f"emotion={one.name}") for one in EMOTIONS}
    found |= {f"gender: {gender}": Topic(words, f"subject={gender}") for gender, words in PRONOUNS.items()}
    return found | {f"things: {one.name}": Topic(one.items, f"topic={one.name}") for one in TOPICS}


def topic(name: str) -> Topic:
    """Return a topic.

    Raises:
        UsageError: there is none of this name.
    """
    known = topics()
    if name not in known:
        raise UsageError("no such topic", value=name, remedy=f"Topics are {', '.join(known)}.")
    return known[name]
