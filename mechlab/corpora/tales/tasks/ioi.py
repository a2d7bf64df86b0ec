"""Indirect object identification: two people, one gives, so the other receives; either may be named first.

Source: Wang et al. 2022, "Interpretability in the Wild", section 2.
"""

from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, templates

TELLING = templates(
    "Then {first} and {second} went to the {place}. {giver} gave the {item} to {answer}.",
    "When {first} and {second} met at the {place}, {giver} handed the {item} to {answer}.",
    "{first} and {second} had a long talk at the {place}. Then {giver} showed the {item} to {answer}.",
    "After {first} and {second} came home from the {place}, {giver} sold the {item} to {answer}.",
    "{first} sat with {second} near the {place}, and {giver} passed the {item} to {answer}.",
    "While {first} and {second} worked at the {place}, {giver} brought the {item} to {answer}.",
)


def tell(story: Story, order: str | None = None) -> None:
    """Tell of a gift; `order` is `ABBA` (the receiver is named first) or `BABA`, drawn if None."""
    writer = story.writer
    template = writer.choose(TELLING)
    pair = story.people(2)
    topic = story.topic()
    place = writer.choose(topic.places)
    giver = writer.choose(pair) if order is None else pair[order == "ABBA"]
    item = writer.choose(topic.items)
    receiver = pair[giver == pair[0]]
    first, second = (Marked(name, (("role", "subject1" if name == giver else "io"),)) for name in pair)
    facts = {"io": receiver, "subject": giver, "order": "BABA" if giver == pair[0] else "ABBA"}
    question = Question((receiver,), (giver,), facts)
    slots = {"first": first, "second": second, "giver": Marked(giver, (("role", "subject2"),)), "place": place}
    writer.fill(template, {**slots, "item": item, "answer": Marked(receiver, (("role", "answer"),), question)})


TASK = Task("ioi", tell, TELLING, "main", 1.0)
