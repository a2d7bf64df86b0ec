"""Ownership: two or three people each have a thing; asked for the owner of a thing, or for the thing of a person.

People are told of in one form of words and asked about in any, so that some questions repeat what was said and some
turn it round. Direction, asked place and form take turns. The corrupted prompt asks for another one.

Source: the passage `ownership` of the corpus `tales`.
"""

from itertools import product
from random import Random
from typing import Any, Literal, NamedTuple

from pydantic import Field

from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tales.lexicon import TOPICS
from mechlab.corpora.tales.names import NAMES
from mechlab.corpora.tales.tasks.ownership import FROM_OWNED, FROM_OWNER
from mechlab.corpora.tales.writer import Template
from mechlab.corpora.tasks.drafts import Draft, Prompt, playing, written
from mechlab.corpora.tasks.pair_task import Drafter, PairConfig, PairTask
from mechlab.corpora.tasks.plain_words import OBJECTS, PEOPLE
from mechlab.corpora.tasks.single_tokens import needed_tokens, token_groups

Direction = Literal["from_owner", "from_owned"]
FORMS: dict[str, tuple[Template, ...]] = {"from_owner": FROM_OWNER, "from_owned": FROM_OWNED}
Sentence = tuple[Template, dict[str, Any]]


class OwnershipConfig(PairConfig):
    """What ownership pairs are told.

    Attributes:
        n_people: how many people have a thing.
        direction: what a question starts from; None asks in both directions in turn.
    """

    n_people: int = Field(default=2, ge=2, le=3)
    direction: Direction | None = None


class _Wording(NamedTuple):
    opening: tuple[Sentence, ...]
    people: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]


STYLES = {
    # A name that begins the text would be another token than the same name behind a space.
    "plain": _Wording(((Template("Here is what we know."), {}),), PEOPLE, (OBJECTS,)),
    "tales": _Wording((), NAMES, tuple(topic.items for topic in TOPICS)),
}


def drafter(tokenizer: Encoder, config: OwnershipConfig) -> Drafter:
    """Return what drafts an ownership question.

    The facts are `n_people`, `direction`, `same_direction` (whether it was told as it is asked), `key` (the word
    asked about), `target` (the place of its owner, from 1) and `corrupted_target`.
    """
    wording, count = STYLES[config.style], config.n_people
    people = needed_tokens(tokenizer, wording.people, count, "names", begins=not wording.opening)
    groups = token_groups(tokenizer, wording.groups, count, "nouns")
    directions = (config.direction,) if config.direction else tuple(FORMS)
    turns = list(product(directions, range(count), FORMS))

    def draft(random: Random, index: int) -> Draft:
        direction, target, told = turns[index % len(turns)]
        tokens = random.choice(groups)
        owners, things = random.sample(list(people), count), random.sample(list(tokens), count)
        other = random.choice([place for place in range(count) if place != target])
        telling = [*wording.opening, *_telling(random.choice(FORMS[told]), owners, things)]
        keys, values = (owners, things) if direction == "from_owner" else (things, owners)
        question = random.choice(FORMS[direction])
        clean, corrupted = (_asked(telling, question, direction, keys[place]) for place in (target, other))
        known = people if direction == "from_owned" else tokens
        candidates = [known[value] for value in values]
        asked = {"n_people": count, "direction": direction, "same_direction": told == direction, "key": keys[target]}
        facts = {**asked, "target": target + 1, "corrupted_target": other + 1}
        return Draft(clean, corrupted, candidates, [candidates[target]], [candidates[other]], facts)

    return draft


def _telling(form: Template, owners: list[str], things: list[str]) -> list[Sentence]:
    return [
        (form, {"owner": playing(owner, f"owner_{number}"), "owned": playing(thing, f"owned_{number}")})
        for number, (owner, thing) in enumerate(zip(owners, things, strict=True), start=1)
    ]


def _asked(telling: list[Sentence], form: Template, direction: str, key: str) -> Prompt:
    given, answer = ("owner", "owned") if direction == "from_owner" else ("owned", "owner")
    question = Template(form.text.replace(f"{{{answer}}}", "{answer}"))
    return written(*telling, (question, {given: playing(key, "asked")}))


TASK = PairTask("ownership", OwnershipConfig, drafter)
