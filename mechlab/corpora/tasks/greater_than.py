"""Greater-than: something lasted from a year to a later one of the same century; every later year is right.

The candidates are all two-digit years the tokenizer has; those after the start year are right. The corrupted prompt
starts in the first year there is (01; in `tales`, whose years begin with 02, 02), so that nearly every
candidate is.

Source: Hanna et al. 2023, "How does GPT-2 compute greater-than?", sections 2 and 3: the sentence, start years from 02
to 98 whose whole year is two tokens, and the 01 data set. Start years take turns here where the paper draws them.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from mechlab.core.errors import UsageError
from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tales.lexicon import TWO_DIGITS
from mechlab.corpora.tales.tasks import greater_than as tales
from mechlab.corpora.tales.writer import Template, templates
from mechlab.corpora.tasks.drafts import Draft, Prompt, playing, written
from mechlab.corpora.tasks.pair_task import Drafter, PairConfig, PairTask
from mechlab.corpora.tasks.plain_words import EVENTS
from mechlab.corpora.tasks.single_tokens import single_tokens, whole_words

PLAIN = templates("The {event} lasted from the year {century}{start} to the year {again}{answer}")


class GreaterThanConfig(PairConfig):
    """What greater-than pairs are told."""


class _Wording(NamedTuple):
    sentences: tuple[Template, ...]
    events: tuple[str, ...]
    centuries: Sequence[str]
    first: str
    gap: str


STYLES = {
    "plain": _Wording(PLAIN, EVENTS, TWO_DIGITS[11:18], "01", ""),
    "tales": _Wording(tales.TELLING, tales.EVENTS, tales.CENTURIES, tales.STARTS[0], " "),
}
LAST = "98"


def drafter(tokenizer: Encoder, config: GreaterThanConfig) -> Drafter:
    """Return what drafts a span of years; its facts are `start`, `century`, `event` and `sentence`.

    Raises:
        UsageError: no century's years are two tokens each, the first year's among them.
    """
    wording = STYLES[config.style]
    starts, tokens = _years(tokenizer, wording)
    events = whole_words(tokenizer, wording.events)

    def draft(random: Random, index: int) -> Draft:
        start = list(starts)[index % len(starts)]
        century, event = random.choice(starts[start]), random.choice(events)
        sentence = random.randrange(len(wording.sentences))
        clean, corrupted = (_told(wording.sentences[sentence], event, century, year) for year in (start, wording.first))
        later, nearly_all = (
            [token for year, token in tokens.items() if year > least] for least in (start, wording.first)
        )
        facts = {"start": int(start), "century": int(century), "event": event, "sentence": sentence}
        return Draft(clean, corrupted, list(tokens.values()), later, nearly_all, facts)

    return draft


def _years(tokenizer: Encoder, wording: _Wording) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return start year -> the centuries it can stand in, and two digits -> token."""
    by_century = {
        century: single_tokens(tokenizer, TWO_DIGITS, f"the year {century}{wording.gap}")
        for century in single_tokens(tokenizer, wording.centuries, "the year ")
    }
    tokens = {year: token for found in by_century.values() for year, token in found.items()}
    usable = {century: found for century, found in by_century.items() if wording.first in found}
    starts = {
        year: [century for century, found in usable.items() if year in found]
        for year in TWO_DIGITS
        if wording.first < year <= LAST
    }
    starts = {year: centuries for year, centuries in starts.items() if centuries}
    if not starts:
        years = f"{wording.centuries[0]}{wording.gap}{wording.first}"
        remedy = "Greater-than needs years of two tokens, as GPT-2 has them; try the other style or tokenizer."
        raise UsageError("tokenizer cuts no century's years into two tokens", value=years, remedy=remedy)
    return starts, dict(sorted(tokens.items()))


def _told(sentence: Template, event: str, century: str, start: str) -> Prompt:
    named = {"century": playing(century, "century"), "start": playing(start, "start")}
    return written((sentence, {"event": event, "again": century, **named}))


TASK = PairTask("greater_than", GreaterThanConfig, drafter)
