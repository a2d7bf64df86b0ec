"""Ownership: two or three people each have a thing; later, whose is the thing, and which thing is the person's?

The people are told of in one form of words; each question takes any form, so that some can be answered by repeating
what was said (induction) and some only by looking up the pair the other way round.
"""

from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, Template, Weighted, Writer, templates

N_PEOPLE = Weighted({2: 0.6, 3: 0.4})
N_QUESTIONS = Weighted({2: 0.3, 3: 0.4, 4: 0.3})
FROM_OWNER = templates("{owner} has the {owned}.", "{owner} keeps the {owned}.", "{owner} owns the {owned}.")
FROM_OWNED = templates(
    "The {owned} belongs to {owner}.", "The {owned} is with {owner}.", "The {owned} is owned by {owner}."
)
FORMS = {"from_owner": FROM_OWNER, "from_owned": FROM_OWNED}
ORDINALS = ("first", "second", "third")


def tell(story: Story, n_people: int | None = None, direction: str | None = None) -> None:
    """Say who has what, then ask about it two to four times.

    Args:
        story: where the passage stands.
        n_people: 2 or 3, drawn if None.
        direction: `from_owned` or `from_owner` for every question, drawn for each if None.
    """
    writer = story.writer
    count = writer.weighted(N_PEOPLE) if n_people is None else n_people
    form = writer.choose(FROM_OWNER + FROM_OWNED)
    owners = story.people(count)
    things = writer.distinct(story.topic().items, count)
    for owner, thing, ordinal in zip(owners, things, ORDINALS, strict=False):
        slots = {"owner": _marked(owner, ordinal, "owner"), "owned": _marked(thing, ordinal, "owned")}
        writer.fill(form, slots)
    for _ in range(writer.weighted(N_QUESTIONS)):
        asked = writer.choose(FORMS[direction] if direction else FROM_OWNER + FROM_OWNED)
        _ask(writer, asked, owners, things, same_direction=(form in FROM_OWNER) == (asked in FROM_OWNER))


def _ask(writer: Writer, form: Template, owners: list[str], things: list[str], *, same_direction: bool) -> None:
    from_owner = form in FROM_OWNER
    keys, values = (owners, things) if from_owner else (things, owners)
    key = writer.choose(keys)
    index = keys.index(key)
    others = tuple(value for value in values if value != values[index])
    direction = "from_owner" if from_owner else "from_owned"
    facts = {"n_people": len(owners), "direction": direction, "same_direction": same_direction, "key": key}
    asked = _marked(key, ORDINALS[index], "asked")
    answer = _marked(values[index], ORDINALS[index], "answer", Question((values[index],), others, facts))
    writer.fill(form, {"owner": asked, "owned": answer} if from_owner else {"owned": asked, "owner": answer})


def _marked(word: str, ordinal: str, role: str, question: Question | None = None) -> Marked:
    return Marked(word, (("owner", ordinal), ("role", role)), question)


TASK = Task("ownership", tell, FROM_OWNER + FROM_OWNED, "main", 2.0)
