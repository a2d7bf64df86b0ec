"""A story in the making: what it is about is drawn when first needed, and then stays."""

from mechlab.corpora.tales.lexicon import EMOTIONS, SEASONS, TOPICS, Emotion, Season, Topic
from mechlab.corpora.tales.names import GENDER, NAMES, PRONOUNS
from mechlab.corpora.tales.writer import Marked, Writer


class Story:
    """The state passages share; each is drawn right before a word that reveals it: the text determines every draw."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._topic: Topic | None = None
        self._season: Season | None = None
        self._emotion: Emotion | None = None
        self._hero: str | None = None
        self._met: set[str] = set()

    def topic(self) -> Topic:
        """Return the story's topic."""
        if self._topic is None:
            self._topic = self.writer.choose(TOPICS)
        return self._topic

    def season(self) -> Season:
        """Return the story's season."""
        if self._season is None:
            self._season = self.writer.choose(SEASONS)
        return self._season

    def emotion(self) -> Emotion:
        """Return how the hero feels."""
        if self._emotion is None:
            self._emotion = self.writer.choose(EMOTIONS)
        return self._emotion

    def hero(self) -> str:
        """Return the name of the story's hero."""
        if self._hero is None:
            (self._hero,) = self.people(1)
        return self._hero

    def people(self, count: int) -> list[str]:
        """Return names of people the story has not met yet."""
        names = self.writer.distinct(NAMES, count, besides=self._met)
        self._met.update(names)
        return names

    def hero_slots(self) -> dict[str, Marked | str]:
        """Return the slots that speak of the hero: `hero` and the pronouns."""
        hero = self.hero()
        gender = GENDER[hero]
        return {"hero": Marked(hero, (("subject", gender),)), **PRONOUNS[gender]}
