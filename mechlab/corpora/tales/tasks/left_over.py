"""Left-over recall (the Laundry List): all items of a list but one are named again in random order; which is left?"""

from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, Weighted, templates

N_ITEMS = Weighted({2: 0.35, 3: 0.30, 4: 0.15, 5: 0.10, 6: 0.03, 7: 0.025, 8: 0.02, 9: 0.015, 10: 0.01})
TELLING = templates(
    "{hero} had to find {items}. {He} found {found}. {He} still missed the {answer}.",
    "{hero} asked for {items}. Someone brought {found}, but not the {answer}.",
    "{hero} put {items} in a bag. {He} took {found} out. What stayed in the bag was the {answer}.",
    "On the table of {hero} stood {items}. {He} cleaned {found}. {He} forgot the {answer}.",
    "{hero} washed {items}. {He} dried {found}. Still wet was the {answer}.",
)


def tell(story: Story, n_items: int | None = None) -> None:
    """Tell of a list of `n_items` items (2 to 10), drawn if None."""
    writer = story.writer
    template = writer.choose(TELLING)
    count = writer.weighted(N_ITEMS) if n_items is None else n_items
    hero = story.hero_slots()
    listed = writer.distinct(story.topic().items, count)
    again = writer.distinct(listed, count)
    position = {item: (("list_position", str(index)),) for index, item in enumerate(listed, start=1)}
    *found, left = again
    question = Question((left,), tuple(found), {"n_items": count, "items": tuple(listed)})
    items = [Marked(item, (*position[item], ("role", "item"))) for item in listed]
    named_again = [Marked(item, (*position[item], ("role", "found"))) for item in found]
    answer = Marked(left, (*position[left], ("role", "answer")), question)
    writer.fill(template, {"items": items, "found": named_again, "answer": answer, **hero})


TASK = Task("left_over", tell, TELLING, "main", 1.6)
