"""Every way of pushing a model of stories towards one topic, and what the texts are worth."""

from collections.abc import Sequence
from typing import Any

from rivals import best_feature, mean_difference, vectors_at
from steering import (
    MOST_CODES,
    Protocol,
    Strength,
    Writer,
    by_codes,
    by_feature,
    by_one_code,
    by_vector,
    drawn_codes,
    pushed,
    pushed_as,
    pushed_by_fewest,
    unpushed,
)
from told import Halves, best_code, causes_of
from topics import topic
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.dictionaries.topk import TopKDictionary
from mechlab.interventions.activate_codes import CodeChoice
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.metrics.code_index import CodeIndex
from mechlab.metrics.code_search import CodeMatch, rank_codes
from mechlab.models.language_model import LanguageModel

PRECISE = 0.3


def steered(
    name: str,
    halves: Halves,
    models: tuple[CodebookModel, LanguageModel],
    sae: tuple[TopKDictionary, Tensor],
    settings: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Return what each way makes of the texts; codes, feature and direction are found on the first half of the rows."""
    (model, judge), (dictionary, features), site = models, sae, settings["sae"]["site"]
    rows, index, about = halves.rows[0], halves.indexes[0], topic(name)
    mask = next(iter(causes_of(about, rows, judge).values()))
    protocol = Protocol(**{**settings["protocol"], "prompts": tuple(settings["protocol"]["prompts"])})
    own, plain = (Writer(one, judge, about.pattern, protocol, seed) for one in (model, judge))
    best = best_code(index, mask)
    one, several = CodeChoice(best.site, best.code), several_codes(index, rank_codes(index, mask, n=200))
    feature = best_feature(features, mask)
    strongest = float(features[:, feature].max())
    direction = mean_difference(vectors_at(judge, rows, site), mask)
    return {
        "codes: nothing": unpushed(own),
        "codes: one": (by_one := pushed(own, by_one_code(model, one))),
        "codes: several": (by_several := pushed_by_fewest(own, by_codes(model, several))),
        "codes: one drawn": pushed_as(own, alike(by_one, by_one_code(model, *drawn_codes(index, [one], seed)))),
        "codes: several drawn": pushed_as(own, alike(by_several, by_codes(model, drawn_codes(index, several, seed)))),
        "no codes: nothing": unpushed(plain),
        "no codes: SAE feature": pushed(plain, by_feature(judge, site, dictionary, feature, strongest)),
        "no codes: mean difference": pushed(plain, by_vector(judge, site, direction)),
    }


def alike(taken: dict[str, Any], strengths: Sequence[Strength]) -> Strength:
    """Return the strength of the same name as the one another push has taken."""
    return next(one for one in strengths if one[0] == taken["strength"])


def several_codes(index: CodeIndex, ranked: Sequence[CodeMatch]) -> list[CodeChoice]:
    """Return the best codes, the best first, no more of a group than it has slots.

    Raises:
        UsageError: fewer than two codes stand for the topic.
    """
    found: list[CodeChoice] = []
    held: dict[tuple[str, int], int] = {}
    for match in ranked:
        place = match.site, match.group
        if match.precision >= PRECISE and held.get(place, 0) < index.books[match.site].k and len(found) < MOST_CODES:
            held[place] = held.get(place, 0) + 1
            found.append(CodeChoice(match.site, match.code))
    if len(found) < 2:
        remedy = f"A code has to tell it with a precision of {PRECISE} at least."
        raise UsageError("too few codes stand for the topic", value=len(found), remedy=remedy)
    return found
