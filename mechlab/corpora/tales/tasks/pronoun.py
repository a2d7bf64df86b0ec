"""Pronouns: a name, and the pronoun its gender asks for."""

from mechlab.corpora.tales.names import GENDER, OTHER_GENDER, PRONOUNS
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.task import Task
from mechlab.corpora.tales.writer import Marked, Question, Template, templates

TELLING = templates(
    "{hero} was late because {he} had lost {his} {item}.",
    "{hero} looked for {his} {item} until {he} found it.",
    "{hero} went home early, for {he} missed {his} friends.",
    "{hero} said that {he} wanted {his} {item} back.",
    "When {hero} woke up, {he} could not find {his} {item}. Nobody had told {him}.",
    "{hero} came too late. {His} {item} was gone, and nobody helped {him}.",
    "{hero} waited, but nobody came to see {him}. So {he} left with {his} {item}.",
)


def _first_pronoun(template: Template) -> str:
    return next(slot for _, slot in template.parts if slot in PRONOUNS["male"])


FIRST = {template: _first_pronoun(template) for template in TELLING}


def tell(story: Story) -> None:
    """Speak of the hero by name and then by pronoun."""
    writer = story.writer
    template = writer.choose(TELLING)
    slots = story.hero_slots()
    hero = story.hero()
    slot = FIRST[template]
    right, wrong = PRONOUNS[GENDER[hero]][slot], PRONOUNS[OTHER_GENDER[GENDER[hero]]][slot]
    question = Question((right,), (wrong,), {"name": hero, "gender": GENDER[hero]})
    slots |= {slot: Marked(right, (("role", "answer"),), question)}
    if any(part == "item" for _, part in template.parts):
        slots["item"] = writer.choose(story.topic().items)
    writer.fill(template, slots)


TASK = Task("pronoun", tell, TELLING, "main", 0.8)
