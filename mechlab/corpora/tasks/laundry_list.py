"""Laundry list: all items of a list but one are named again in random order; the one not named again is the answer.

The place of the answer in the list takes its turns, so that every place is asked equally often. The corrupted prompt
names the answer instead of one of the items named again, which becomes its answer; the list itself stays.

Source: Merullo et al. 2024, "Talking Heads" (arXiv 2406.09519; our sentences and our corruption).
"""

from random import Random
from typing import Any, NamedTuple

from pydantic import Field, field_validator

from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tales.lexicon import TOPICS
from mechlab.corpora.tales.names import GENDER, NAMES, PRONOUNS
from mechlab.corpora.tales.tasks.left_over import TELLING
from mechlab.corpora.tales.writer import Marked, Template, templates
from mechlab.corpora.tasks.drafts import Draft, Prompt, playing, written
from mechlab.corpora.tasks.pair_task import Drafter, PairConfig, PairTask
from mechlab.corpora.tasks.plain_words import OBJECTS
from mechlab.corpora.tasks.single_tokens import needed_tokens, token_groups

PLAIN = templates(
    "I packed {items}. I gave away {found}, so I still have the {answer}",
    "There were {items} in the drawer. We took out {found}, so what is left in the drawer is the {answer}",
    "My list says {items}. I have already bought {found}, so I still need the {answer}",
)
LEAST_ITEMS, MOST_ITEMS = 2, 20


class LaundryListConfig(PairConfig):
    """What laundry lists are told.

    Attributes:
        n_items: how long lists are; several lengths take turns. A topic of `tales` has 12 things, and the built-in
            model was trained on lists of up to 10.
        mixed: let a list hold things of all topics, where a style has topics; then lists can be longer.
    """

    n_items: tuple[int, ...] = Field(default=(5,), min_length=1)
    mixed: bool = False

    @field_validator("n_items", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int) else value

    @field_validator("n_items")
    @classmethod
    def _in_range(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not all(LEAST_ITEMS <= count <= MOST_ITEMS for count in value):
            raise ValueError(f"lists have {LEAST_ITEMS} to {MOST_ITEMS} items")
        return value


class _Wording(NamedTuple):
    sentences: tuple[Template, ...]
    groups: tuple[tuple[str, ...], ...]
    heroes: tuple[str, ...]


STYLES = {
    "plain": _Wording(PLAIN, (OBJECTS,), ()),
    "tales": _Wording(TELLING, tuple(topic.items for topic in TOPICS), NAMES),
}


def drafter(tokenizer: Encoder, config: LaundryListConfig) -> Drafter:
    """Return what drafts a list.

    The facts are `n_items`, `items`, `target` (the answer's place in the list, from 1), `corrupted_target` and
    `sentence`.
    """
    wording = STYLES[config.style]
    words = (tuple(word for group in wording.groups for word in group),) if config.mixed else wording.groups
    groups = token_groups(tokenizer, words, max(config.n_items), "nouns")
    heroes = list(needed_tokens(tokenizer, wording.heroes, 1, "names", begins=True)) if wording.heroes else []

    def draft(random: Random, index: int) -> Draft:
        turn, which = divmod(index, len(config.n_items))
        count = config.n_items[which]
        tokens = random.choice(groups)
        items = random.sample(list(tokens), count)
        left = items[turn % count]
        again = random.sample([item for item in items if item != left], count - 1)
        exchanged = random.choice(again)
        sentence = random.randrange(len(wording.sentences))
        slots = _speaking_of(random.choice(heroes)) if heroes else {}
        clean = _told(wording.sentences[sentence], items, again, slots)
        again_corrupted = [left if item == exchanged else item for item in again]
        corrupted = _told(wording.sentences[sentence], items, again_corrupted, slots)
        targets = {"target": items.index(left) + 1, "corrupted_target": items.index(exchanged) + 1}
        facts = {"n_items": count, "items": tuple(items), **targets, "sentence": sentence}
        candidates = [tokens[item] for item in items]
        return Draft(clean, corrupted, candidates, [tokens[left]], [tokens[exchanged]], facts)

    return draft


def _speaking_of(hero: str) -> dict[str, str]:
    return {"hero": hero, **PRONOUNS[GENDER[hero]]}


def _told(sentence: Template, items: list[str], again: list[str], slots: dict[str, str]) -> Prompt:
    return written((sentence, {"items": _numbered(items, "item"), "found": _numbered(again, "found"), **slots}))


def _numbered(words: list[str], role: str) -> list[Marked]:
    return [playing(word, f"{role}_{number}") for number, word in enumerate(words, start=1)]


TASK = PairTask("laundry_list", LaundryListConfig, drafter)
