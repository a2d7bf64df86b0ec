"""Emotion: a feeling in one of several words, and what it makes the hero do."""

from mechlab.corpora.tales.lexicon import EMOTIONS
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, templates

TELLING = templates(
    "{hero} was {feeling}, so {he} {reaction}.",
    "{hero} felt {feeling} and {reaction}.",
    "Because {hero} was so {feeling}, {he} {reaction}.",
    "{hero} looked {feeling} that day. {He} {reaction}.",
)
CLOSING = templates("In the end {hero} {reaction}.", "Later {hero} {reaction} once more.")


def _reaction(story: Story) -> Marked:
    emotion = story.emotion()
    others = tuple(other for unlike in EMOTIONS if unlike is not emotion for other in unlike.reactions)
    question = Question(emotion.reactions, others, {"emotion": emotion.name})
    return Marked(story.writer.choose(emotion.reactions), (("role", "answer"),), question)


def tell(story: Story) -> None:
    """Say how the hero feels and what follows."""
    writer = story.writer
    template = writer.choose(TELLING)
    hero = story.hero_slots()
    feeling = writer.choose(story.emotion().feelings)
    writer.fill(template, {"feeling": feeling, "reaction": _reaction(story), **hero})


def close(story: Story) -> None:
    """End on another reaction of the same feeling."""
    template = story.writer.choose(CLOSING)
    story.writer.fill(template, {"reaction": _reaction(story), **story.hero_slots()})


TASK = Task("emotion", tell, TELLING + CLOSING, "opening", 0.4, close)
