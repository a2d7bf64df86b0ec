"""Where and how a kind of direction steers best: a few sites and two manners, screened on few texts drawn for that.

1. Every place is tried at the strengths of its manner, on the same texts of a seed that is not used again. Steered is
   the first part of each text.
2. Of each kind the place is taken whose best dose is the most fluent that reaches the concept, or has most of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finding import Material, direction
from ways import Ladder, calls_of

import mechlab
from mechlab.metrics.dose_response import Dose, Reference, best_dose

PLAIN, GATED = "everywhere", "where called for"


@dataclass(frozen=True)
class Place:
    """Where a kind is used, and how."""

    kind: str
    site: str
    manner: str


def worth(doses: Iterable[Dose], terms: Mapping[str, float]) -> tuple[bool, float]:
    """Return whether a way reaches what is wanted at what may be paid, and by what it is compared with others alike."""
    dose = best_dose(tuple(doses), wanted=terms["wanted"], most_increase=terms["most_increase"])
    assert dose.nll_increase is not None
    reached = dose.text.concept.value >= terms["wanted"]
    return reached, -dose.nll_increase.value if reached else dose.text.concept.value


def tried(found: Material, settings: Mapping[str, Any], writing: mechlab.Writing) -> Iterator[tuple[Place, list[Dose]]]:
    """Yield what each kind does at each of its sites, in both manners."""
    reference, stop = Reference.of(found.model, found.asked.concept, writing), stop_of(found, settings, writing)
    for place in places_of(found, settings):
        one = direction(place.kind, found, place.site)
        way = ladder(found, settings["screened"][place.manner], place.manner, one.site, stop).way(place.kind, one)
        doses = mechlab.dose_response(found.model, way, found.asked.concept, writing, reference=reference)
        yield place, list(doses)


def places_of(found: Material, settings: Mapping[str, Any]) -> Iterator[Place]:
    """Yield every place; features are only where a dictionary is, a component only at its own head, everywhere."""
    for kind in settings["kinds"]:
        if kind == "component":
            yield Place(kind, "its head", PLAIN)
            continue
        for manner, sites in settings["sites"].items():
            yield from (Place(kind, site, manner) for site in sites if kind != "feature" or site in found.dictionaries)


def stop_of(found: Material, settings: Mapping[str, Any], writing: mechlab.Writing) -> int:
    """Return the first token of a text that is no longer steered."""
    return round(writing.n_tokens * settings["steered"][found.asked.name])


def ladder(found: Material, strengths: Sequence[float], manner: str, site: str, stop: int) -> Ladder:
    """Return how directions become ways in a manner."""
    gates = {site: gate_at(found, site)} if manner == GATED else None
    return Ladder(found.model, found.rows, strengths, gates, stop)


def gate_at(found: Material, site: str) -> tuple[Any, float]:
    """Return a site's gate, fitted once."""
    if site not in found.gates:
        found.gates[site] = calls_of(found.model, found.rows, found.asked, site)
    return found.gates[site]


def taken(rows: Iterable[tuple[Place, list[Dose]]], terms: Mapping[str, float]) -> list[Place]:
    """Return the best place of every kind: of those where called for, if there is one."""
    best: dict[str, tuple[tuple[bool, bool, float], Place]] = {}
    for place, doses in rows:
        value = (place.manner == GATED, *worth(doses, terms))
        if place.kind not in best or value > best[place.kind][0]:
            best[place.kind] = value, place
    return [place for _, place in best.values()]
