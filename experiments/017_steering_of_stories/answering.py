"""One cause: its places, chosen once on texts drawn for that, and its race with one seed."""

from collections.abc import Mapping, Sequence
from typing import Any

from racing import raced, told
from screening import Place, taken, tried
from subject import Subject, without

import mechlab


def placed(subject: Subject) -> dict[str, Any]:
    """Return what was screened on one cause, and the places that kinds take for all."""
    settings = subject.settings
    screening = settings["screening"]
    found = subject.material(screening["cause"], settings["seeds"][0])
    rows = list(tried(found, settings, writing_of(settings, screening["seed"], n_each=screening["n_each"])))
    return {
        "screened": [{**vars(place), "doses": [told(one) for one in doses]} for place, doses in rows],
        "taken": [vars(place) for place in taken(rows, settings["terms"])],
    }


def raced_with(subject: Subject, name: str, seed: int, places: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return how every way did on the cause with one seed."""
    found, settings = subject.material(name, seed), subject.settings
    neutral = without(subject.model, found.rows, found.asked, settings["rows"]["n_neutral"])
    terms = mechlab.Terms(**settings["terms"], neutral=neutral)
    return raced(found, [Place(**one) for one in places], settings, terms, writing_of(settings, seed))


def writing_of(settings: Mapping[str, Any], seed: int, **other: int) -> mechlab.Writing:
    """Return how texts are drawn."""
    told_so = {**settings["writing"], **other}
    return mechlab.Writing(**{**told_so, "prompts": tuple(told_so["prompts"])}, seed=seed)
