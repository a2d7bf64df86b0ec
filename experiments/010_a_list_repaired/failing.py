"""Where a model fails: at which lengths of lists, which heads its answers depend on, and where these look."""

from typing import Any

from components import drops
from lists import accuracies, lists_of, split_seed, with_room
from looking import looks

from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pair_task import Style
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head


def where_it_fails(
    model: LanguageModel, style: Style, settings: dict[str, Any]
) -> tuple[dict[str, Any], list[int], list[int], list[Head]]:
    """Return what is to be told, the lengths at which it fails, those it knows, and the heads that move answers.

    Raises:
        UsageError: it fails at no length, or its answers depend on no head.
    """
    by_length, rules = accuracies(model, style, settings["lengths"]), settings["movers"]
    failing = with_room(by_length, settings["lengths"])
    known = [length for length, value in by_length.items() if value >= settings["lengths"]["known"]]
    longest = max(known or [min(by_length)])
    fallen = drops(model, lists_of(model, style, [longest], rules["n"], split_seed(0, "movers")))
    movers = [head for head, drop in fallen.items() if drop >= rules["least_drop"]]
    if not movers:
        most = round(max(fallen.values()), 4)
        raise UsageError("no head moves answers", value=most, remedy="Lower `least_drop` in `movers`.")
    looked = {
        str(length): looks(
            model, lists_of(model, style, [length], settings["lengths"]["n"], split_seed(0, "looks")), movers
        )
        for length in (longest, *failing)
    }
    named = {f"{layer}.{head}": round(fallen[layer, head], 4) for layer, head in movers}
    return {"accuracy_by_length": by_length, "movers": named, "looks": looked}, failing, known, movers
