"""Kinds of directions side by side on one cause with one seed, beside what needs none and what is drawn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finding import Material, direction
from screening import Place, ladder, stop_of
from ways import prompted

import mechlab
from mechlab.circuits.directions.direction import Direction
from mechlab.core.estimate import Estimate
from mechlab.metrics.dose_response import Dose, monotone
from mechlab.metrics.steering_race import Outcome

AGAINST = "observable"


def ways_of(found: Material, places: Sequence[Place], settings: Mapping[str, Any], stop: int) -> Iterator[mechlab.Way]:
    """Yield every way: prompting, each kind at its place, and drawn directions in the same places, of equal norm."""

    def way(kind: str, manner: str, one: Direction, strengths: Sequence[float]) -> mechlab.Way:
        return ladder(found, strengths, manner, one.site, stop).way(f"{kind}, {manner}", one)

    yield prompted(found.asked)
    for place in places:
        one = direction(place.kind, found, place.site)
        yield way(place.kind, place.manner, one, settings["raced"][place.manner])
        if place.kind == AGAINST:
            material = mechlab.DirectionMaterial(found.model, one.site)
            drawn = mechlab.find_direction("random", material, seed=found.seed)
            yield way("random", place.manner, drawn, settings["drawn"])
        if place.kind == "feature":
            yield way("random_feature", place.manner, drawn_feature(found, one), settings["drawn"])


def drawn_feature(found: Material, but: Direction) -> Direction:
    """Return a feature drawn from those that are ever on, other than the one that is raced."""
    rows = list(found.rows.tokens[:64].long().split(32))
    largest = mechlab.largest_activations(found.model, found.dictionaries[but.site], but.site, rows)
    material = mechlab.DirectionMaterial(
        found.model, but.site, dictionary=found.dictionaries[but.site], largest=largest
    )
    number = int(but.facts.details["feature"])
    return mechlab.find_direction("random_feature", material, seed=found.seed, but_not=(number,))


def raced(
    found: Material,
    places: Sequence[Place],
    settings: Mapping[str, Any],
    terms: mechlab.Terms,
    writing: mechlab.Writing,
) -> dict[str, Any]:
    """Return how every way did, on texts for choosing and on fresh ones, as plain data."""
    ways = list(ways_of(found, places, settings, stop_of(found, settings, writing)))
    outcomes = mechlab.race(found.model, ways, found.asked.concept, writing, terms)
    return {"own": told(outcomes[0].own), "ways": {one.way: row(one) for one in outcomes}}


def row(outcome: Outcome) -> dict[str, Any]:
    """Return one way's figures: the strength taken, what it did on fresh texts, the trend, the cost on other rows."""
    upward = [one for one in outcome.tried if one.strength <= outcome.taken] if outcome.taken else outcome.tried
    costs = outcome.costs and {"kl": plain(outcome.costs.kl_nats), "loss": plain(outcome.costs.loss_increase)}
    return {
        "taken": outcome.taken,
        "fresh": told(outcome.fresh),
        "trend": monotone(outcome.tried),
        "trend up to it": monotone(upward),
        "costs": costs,
        "tried": [told(one) for one in outcome.tried],
    }


def told(dose: Dose) -> dict[str, Any]:
    """Return a dose as plain data."""
    text = dose.text
    return {
        "strength": dose.strength,
        "concept": plain(text.concept),
        "increase": plain(dose.nll_increase),
        "distinct": round(text.distinct[2], 3),
        "repetition": plain(text.repetition),
    }


def plain(found: Estimate | None) -> list[float] | None:
    """Return a value and its interval."""
    return None if found is None else [round(one, 4) for one in (found.value, found.low, found.high)]
