"""Directions by the name of their kind: the way from a notebook to a vector to steer along."""

from typing import Any

from mechlab.circuits.directions import KINDS
from mechlab.circuits.directions.direction import Direction
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.core.config import build


def find_direction(kind: str, material: DirectionMaterial, **settings: Any) -> Direction:
    """Return a direction of a kind.

    Args:
        kind: its name, such as `mean_difference` or `feature`.
        material: what it is found from.
        **settings: of the kind's config.

    Raises:
        UnknownName: there is no such kind.
        UsageError: a setting is not the kind's, something is missing, or the direction cannot be found.
    """
    return build(KINDS[kind], settings).find(material)
