"""What steering does to a part: how much is added along a direction, or which code a feature has instead.

1. Along a direction v of length one, h becomes `h + (gain (h - origin) . v + shift) v`. In units of v, the strength is
   the shift (`add`, and in `ablate_add` and `project_clamp` after the part there was is gone), or tells the gain.
2. A feature's code becomes `max(factor code + constant, floor)`; what that changes of the reconstruction is added to h,
   so that the error the dictionary leaves stays as it was.
3. Each operation has at most one strength at which it changes nothing, and is then not made at all.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

Operation = Literal["add", "ablate", "ablate_add", "project_clamp", "scale", "clamp", "min_clamp", "activate"]


class Affine(NamedTuple):
    """What becomes of the part along a direction."""

    gain: float
    shift: float


class Recode(NamedTuple):
    """What becomes of a feature's code."""

    factor: float
    constant: float
    floor: float


ALONG: dict[str, Callable[[float], Affine]] = {
    "add": lambda strength: Affine(0.0, strength),
    "ablate": lambda strength: Affine(-strength, 0.0),
    "ablate_add": lambda strength: Affine(-1.0, strength),
    "project_clamp": lambda strength: Affine(-1.0, strength),
    "scale": lambda strength: Affine(strength - 1, 0.0),
}
CODES: dict[str, Callable[[float], Recode]] = {
    "clamp": lambda strength: Recode(0.0, strength, -math.inf),
    "min_clamp": lambda strength: Recode(1.0, 0.0, strength),
    "scale": lambda strength: Recode(strength, 0.0, -math.inf),
}
FACTORS = ("ablate", "scale", "activate")
"""Operations whose strength is a share, a factor or a count, in no unit."""


def changes_nothing(operation: str, strength: float) -> bool:
    """Tell whether an operation of this strength leaves everything as it is.

    `min_clamp` at 0 does, since codes are never below it; `clamp` at 0 takes a feature away.
    """
    neutral = {"add": strength == 0, "ablate": strength == 0, "scale": strength == 1, "min_clamp": strength <= 0}
    return neutral.get(operation, False)
