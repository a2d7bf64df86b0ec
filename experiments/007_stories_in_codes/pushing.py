"""Every way of pushing a model of stories towards one topic, and what the texts are worth."""

from collections.abc import Sequence
from typing import Any

from rivals import best_feature, mean_difference, vectors_at
from steering import (
    HOW_MANY,
    Protocol,
    Writer,
    by_codes,
    by_feature,
    by_one_code,
    by_vector,
    drawn_codes,
    pushed,
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

PRECISE, MOST = 0.3, 12


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
        "codes: one": pushed(own, by_one_code(model, one)),
        "codes: several": pushed(own, by_codes(model, several)),
        "codes: one drawn": pushed(own, by_one_code(model, *drawn_codes(index, [one], seed))[1:]),
        "codes: several drawn": pushed(own, by_codes(model, drawn_codes(index, several, seed))[-1:]),
        "no codes: nothing": unpushed(plain),
        "no codes: SAE feature": pushed(plain, by_feature(judge, site, dictionary, feature, strongest)),
        "no codes: mean difference": pushed(plain, by_vector(judge, site, direction)),
    }


def several_codes(index: CodeIndex, ranked: Sequence[CodeMatch]) -> list[CodeChoice]:
    """Return the best codes, the best first, no more of a group than it has slots.

    Raises:
        UsageError: fewer than two codes stand for the topic.
    """
    found: list[CodeChoice] = []
    held: dict[tuple[str, int], int] = {}
    for match in ranked:
        place = match.site, match.group
        if match.precision >= PRECISE and held.get(place, 0) < index.books[match.site].k and len(found) < MOST:
            held[place] = held.get(place, 0) + 1
            found.append(CodeChoice(match.site, match.code))
    if len(found) < HOW_MANY[0]:
        remedy = f"A code has to tell it with a precision of {PRECISE} at least."
        raise UsageError("too few codes stand for the topic", value=len(found), remedy=remedy)
    return found
