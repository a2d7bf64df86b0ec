"""One cause: its places, chosen once on texts drawn for that, and its race with one seed."""

from collections.abc import Mapping, Sequence
from typing import Any

from racing import raced, told
from screening import Place, taken, tried
from subject import Subject, without

import mechlab


def placed(subject: Subject, name: str) -> dict[str, Any]:
    """Return what was screened of a cause, and the places that kinds take."""
    settings = subject.settings
    screening, found = settings["screening"], subject.material(name, settings["seeds"][0])
    writing = writing_of(settings, screening["seed"], n_each=screening["n_each"], n_tokens=settings["tokens"][name])
    rows = list(tried(found, settings, writing))
    return {
        "screened": [{**vars(place), "doses": [told(one) for one in doses]} for place, doses in rows],
        "taken": [vars(place) for place in taken(rows, settings["terms"])],
    }


def raced_with(subject: Subject, name: str, seed: int, places: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return how every way did on the cause with one seed."""
    found, settings = subject.material(name, seed), subject.settings
    neutral = without(subject.model, found.rows, found.asked, settings["rows"]["n_neutral"])
    terms = mechlab.Terms(**settings["choosing"], neutral=neutral)
    writing = writing_of(settings, seed, n_tokens=settings["tokens"][name])
    return raced(found, [Place(**one) for one in places], settings, terms, writing)


def writing_of(settings: Mapping[str, Any], seed: int, **other: int) -> mechlab.Writing:
    """Return how texts are drawn."""
    told_so = {**settings["writing"], **other}
    return mechlab.Writing(**{**told_so, "prompts": tuple(told_so["prompts"])}, seed=seed)
