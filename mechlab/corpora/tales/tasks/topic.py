"""Topic: a place, and something one does there."""

from mechlab.corpora.tales.lexicon import TOPICS
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, templates

TELLING = templates(
    "At the {place} {hero} {activity}.",
    "{hero} spent the day at the {place} and {activity}.",
    "{hero} lived near the {place} and often {activity}.",
    "One day {hero} went to the {place} and {activity}.",
)


def tell(story: Story) -> None:
    """Send the hero to a place and let the hero do what is done there."""
    topic, writer = story.topic(), story.writer
    template = writer.choose(TELLING)
    place = writer.choose(topic.places)
    hero = story.hero_slots()
    activity = writer.choose(topic.activities)
    right = tuple(each.split()[0] for each in topic.activities)
    wrong = tuple(each.split()[0] for other in TOPICS if other is not topic for each in other.activities)
    question = Question(right, wrong, {"topic": topic.name, "place": place})
    writer.fill(template, {"place": place, "activity": Marked(activity, (), question), **hero})


TASK = Task("topic", tell, TELLING, "opening", 0.4)
