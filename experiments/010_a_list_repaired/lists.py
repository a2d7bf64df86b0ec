"""Lists whose things come from all topics, which the model never saw, and the lengths at which it fails on them.

1. `tales` tells of things of one topic, of which there are twelve; here a list's things are drawn from all topics, in
   the same sentences, so that lists can be longer and no topic helps. Others read the library's plain sentences.
2. Lists of each length are drawn from a seed and a purpose; those for choosing and those for judging share none.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from mechlab.core.errors import UsageError
from mechlab.core.randomness import sub_seed
from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tales.lexicon import TOPICS
from mechlab.corpora.tales.names import GENDER, NAMES, PRONOUNS
from mechlab.corpora.tales.tasks.left_over import TELLING
from mechlab.corpora.tasks import PAIR_TASKS
from mechlab.corpora.tasks.drafts import Draft, Prompt, playing, written
from mechlab.corpora.tasks.laundry_list import LaundryListConfig
from mechlab.corpora.tasks.pair_task import Drafter, PairTask, Style
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.corpora.tasks.single_tokens import needed_tokens
from mechlab.metrics.prompt_scores import prompt_scores
from mechlab.models.language_model import LanguageModel

THINGS = tuple(thing for topic in TOPICS for thing in topic.items)
Lists = Sequence[PromptPairs]


def mixed(tokenizer: Encoder, config: LaundryListConfig) -> Drafter:
    """Return what drafts a list of things of all topics, in the sentences of `tales`."""
    tokens = needed_tokens(tokenizer, THINGS, max(config.n_items), "nouns")
    heroes = list(needed_tokens(tokenizer, NAMES, 1, "names", begins=True))

    def draft(random: Random, index: int) -> Draft:
        turn, which = divmod(index, len(config.n_items))
        items = random.sample(list(tokens), config.n_items[which])
        left = items[turn % len(items)]
        again = random.sample([item for item in items if item != left], len(items) - 1)
        exchanged, hero = random.choice(again), random.choice(heroes)
        sentence = random.randrange(len(TELLING))
        clean = _told(sentence, items, again, hero)
        corrupted = _told(sentence, items, [left if item == exchanged else item for item in again], hero)
        facts = {"n_items": len(items), "items": tuple(items), "target": items.index(left) + 1, "sentence": sentence}
        return Draft(clean, corrupted, [tokens[item] for item in items], [tokens[left]], [tokens[exchanged]], facts)

    return draft


TASKS = {"tales": PairTask("laundry_list", LaundryListConfig, mixed), "plain": PAIR_TASKS["laundry_list"]}
TRAINED_LENGTHS = (6, 8, 10)


def _told(sentence: int, items: list[str], again: list[str], hero: str) -> Prompt:
    slots = {
        "items": [playing(item, f"item_{place}") for place, item in enumerate(items, start=1)],
        "found": [playing(item, f"found_{place}") for place, item in enumerate(again, start=1)],
    }
    return written((TELLING[sentence], {**slots, "hero": hero, **PRONOUNS[GENDER[hero]]}))


def lists_of(
    model: LanguageModel, style: Style, lengths: Sequence[int], n_each: int, seed: int
) -> tuple[PromptPairs, ...]:
    """Return lists of each length, equally many, in batches of one shape."""
    return _drawn(TASKS[style], model, style, lengths, n_each, seed)


def lists_as_trained(model: LanguageModel, n_each: int, seed: int) -> tuple[PromptPairs, ...]:
    """Return lists of things of one topic, as `tales` was trained on."""
    return _drawn(PAIR_TASKS["laundry_list"], model, "tales", TRAINED_LENGTHS, n_each, seed)


def _drawn(
    task: PairTask, model: LanguageModel, style: Style, lengths: Sequence[int], n_each: int, seed: int
) -> tuple[PromptPairs, ...]:
    if model.tokenizer is None:
        raise UsageError("model has no tokenizer", value=model.name, remedy="Lists are words.")
    config = LaundryListConfig(style=style, n_items=tuple(lengths), n=n_each * len(lengths), seed=seed)
    return task.pairs(model.tokenizer, config)


def split_seed(seed: int, purpose: str) -> int:
    """Return the seed of the lists of one purpose."""
    return sub_seed(seed, f"010/{purpose}")


def accuracies(model: LanguageModel, style: Style, settings: dict[str, Any]) -> dict[int, float]:
    """Return how often the model names the item left, among the list's, at every length to be tried."""
    seed = split_seed(0, "lengths")
    found = {}
    for length in settings["tried"]:
        scores = prompt_scores(model, lists_of(model, style, [length], settings["n"], seed))
        found[length] = round(scores.estimates()["accuracy"].value, 4)
    return found


def with_room(found: dict[int, float], settings: dict[str, Any]) -> list[int]:
    """Return the lengths at which the model fails, but not on nearly all lists.

    Raises:
        UsageError: there is none.
    """
    least, most = settings["room"]
    lengths = [length for length, value in found.items() if least <= value <= most]
    if not lengths:
        raise UsageError("no length leaves room", value=found, remedy="Try other lengths, or other bounds in `room`.")
    return lengths
