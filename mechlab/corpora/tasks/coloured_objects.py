"""Coloured objects: things of different colours; asked for the colour of one of them.

The place of the asked object takes its turns. The corrupted prompt asks for another object.

Source: Merullo et al. 2024, "Circuit Component Reuse Across Tasks", section 2, after the task of Srivastava et al. 2022
(our sentences; no example is shown first).
"""

from random import Random

from pydantic import Field

from mechlab.core.errors import UsageError
from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tales.writer import Template
from mechlab.corpora.tasks.drafts import Draft, Prompt, playing, written
from mechlab.corpora.tasks.pair_task import Drafter, PairConfig, PairTask
from mechlab.corpora.tasks.plain_words import COLOURS, OBJECTS, SURFACES
from mechlab.corpora.tasks.single_tokens import needed_tokens, whole_words

OPENINGS = ("On the {surface}, there is ", "On the {surface}, I see ", "On the {surface}, you see ")
QUESTION = ". What color is the {asked}? The {asked_again} is {answer}"


class ColouredObjectsConfig(PairConfig):
    """What coloured objects are told; `n_objects` is how many lie there."""

    n_objects: int = Field(default=3, ge=2, le=8)


def drafter(tokenizer: Encoder, config: ColouredObjectsConfig) -> Drafter:
    """Return what drafts a row of objects; its facts are `n_objects`, `objects`, `colours`, `target` and `sentence`.

    Raises:
        UsageError: style `tales` is asked, or too few words are single tokens.
    """
    if config.style == "tales":
        raise UsageError("coloured_objects has no such style; tales knows no colours", value=config.style)
    colours = needed_tokens(tokenizer, COLOURS, config.n_objects, "colours")
    objects = list(needed_tokens(tokenizer, OBJECTS, config.n_objects, "nouns"))
    surfaces = whole_words(tokenizer, SURFACES)

    def draft(random: Random, index: int) -> Draft:
        things = random.sample(objects, config.n_objects)
        shades = random.sample(list(colours), config.n_objects)
        target = index % config.n_objects
        other = random.choice([place for place in range(config.n_objects) if place != target])
        sentence, surface = random.randrange(len(OPENINGS)), random.choice(surfaces)
        clean = _told(OPENINGS[sentence], surface, things, shades, things[target])
        corrupted = _told(OPENINGS[sentence], surface, things, shades, things[other])
        made_of = {"n_objects": config.n_objects, "objects": tuple(things), "colours": tuple(shades)}
        facts = {**made_of, "target": target + 1, "corrupted_target": other + 1, "sentence": sentence}
        candidates = [colours[shade] for shade in shades]
        return Draft(clean, corrupted, candidates, [candidates[target]], [candidates[other]], facts)

    return draft


def _told(opening: str, surface: str, things: list[str], shades: list[str], asked: str) -> Prompt:
    numbers = range(1, len(things) + 1)
    *listed, last = [f"a {{colour_{number}}} {{object_{number}}}" for number in numbers]
    template = Template(f"{opening}{', '.join(listed)} and {last}{QUESTION}")
    colours = {f"colour_{number}": shade for number, shade in zip(numbers, shades, strict=True)}
    objects = {f"object_{number}": thing for number, thing in zip(numbers, things, strict=True)}
    roles = {**colours, **objects, "asked": asked, "asked_again": asked}
    return written((template, {"surface": surface, **{role: playing(word, role) for role, word in roles.items()}}))


TASK = PairTask("coloured_objects", ColouredObjectsConfig, drafter)
