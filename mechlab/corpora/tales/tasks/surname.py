"""Surname: two people with rare names; named again, the surname follows from the first name (induction)."""

from collections.abc import Sequence

from mechlab.corpora.tales.names import GENDER, RARE_NAMES, SURNAMES, TITLES
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, Weighted, templates

N_AGAIN = Weighted({1: 0.3, 2: 0.4, 3: 0.3})
MEETING = templates(
    "{title} {first} {last} met {title2} {first2} {last2} at the {place}.",
    "{title} {first} {last} and {title2} {first2} {last2} were neighbors.",
    "A letter from {title} {first} {last} reached {title2} {first2} {last2}.",
    "{title} {first} {last} once wrote to {title2} {first2} {last2}.",
)
AGAIN = templates(
    "{title} {first} {last} knew the way.",
    "Nobody forgot {title} {first} {last}.",
    "The {item} pleased {title} {first} {last}.",
    "Soon {title} {first} {last} left.",
    "They thanked {title} {first} {last}.",
)


def tell(story: Story) -> None:
    """Introduce two people by their whole names, then name one of them again, one to three times."""
    writer = story.writer
    meeting = writer.choose(MEETING)
    names = writer.distinct(RARE_NAMES, 2)
    surnames = writer.distinct(SURNAMES, 2)
    second = {f"{slot}2": word for slot, word in _slots(names[1], surnames[1]).items()}
    slots = {**_slots(names[0], surnames[0]), **second}
    if any(slot == "place" for _, slot in meeting.parts):
        slots["place"] = Marked(writer.choose(story.topic().places))
    writer.fill(meeting, slots)
    for _ in range(writer.weighted(N_AGAIN)):
        _name_again(story, names, surnames)


def _name_again(story: Story, names: Sequence[str], surnames: Sequence[str]) -> None:
    writer = story.writer
    template = writer.choose(AGAIN)
    name = writer.choose(names)
    own, other = surnames if name == names[0] else reversed(surnames)
    slots = _slots(name, own)
    slots["last"] = Marked(own, (("role", "answer"),), Question((own,), (other,), {"first_name": name}))
    if any(slot == "item" for _, slot in template.parts):
        slots["item"] = Marked(writer.choose(story.topic().items))
    writer.fill(template, slots)


def _slots(name: str, surname: str) -> dict[str, Marked]:
    return {
        "title": Marked(TITLES[GENDER[name]]),
        "first": Marked(name, (("role", "first_name"),)),
        "last": Marked(surname, (("role", "surname"),)),
    }


TASK = Task("surname", tell, MEETING + AGAIN, "main", 1.0)
