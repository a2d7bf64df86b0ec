"""Lists whose things come from all topics, which the model never saw, and the lengths at which it fails on them.

1. `tales` tells of things of one topic, of which there are twelve; here a list's things are drawn from all topics, in
   the same sentences, so that lists can be longer and no topic helps. Others read the library's plain sentences.
2. Lists of each length are drawn from a seed and a purpose; those for choosing and those for judging share none.
"""

from collections.abc import Sequence
from typing import Any

from mechlab.core.errors import UsageError
from mechlab.core.randomness import sub_seed
from mechlab.corpora.tasks.pair_task import Style
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.corpora.tasks.prompting import prompt_pairs
from mechlab.metrics.prompt_scores import prompt_scores
from mechlab.models.language_model import LanguageModel

Lists = Sequence[PromptPairs]
TRAINED_LENGTHS = (6, 8, 10)


def lists_of(
    model: LanguageModel, style: Style, lengths: Sequence[int], n_each: int, seed: int
) -> tuple[PromptPairs, ...]:
    """Return lists of each length, equally many, in batches of one shape."""
    settings = {"style": style, "mixed": style == "tales", "n_items": tuple(lengths)}
    return prompt_pairs(model.tokenizer, "laundry_list", n=n_each * len(lengths), seed=seed, **settings)


def lists_as_trained(model: LanguageModel, n_each: int, seed: int) -> tuple[PromptPairs, ...]:
    """Return lists of things of one topic, as `tales` was trained on."""
    settings = {"style": "tales", "n_items": TRAINED_LENGTHS}
    return prompt_pairs(model.tokenizer, "laundry_list", n=n_each * len(TRAINED_LENGTHS), seed=seed, **settings)


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
    """Return the lengths at which the model fails, but not on nearly all lists, nor by naming any of their items.

    Raises:
        UsageError: there is none.
    """
    least, most = settings["room"]
    lengths = [length for length, value in found.items() if max(least, 2 / length) <= value <= most]
    if not lengths:
        raise UsageError("no length leaves room", value=found, remedy="Try other lengths, or other bounds in `room`.")
    return lengths
