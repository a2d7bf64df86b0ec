"""Which paths: patterns of steps, written as words, at the beginning, at the end, or anywhere in a path.

A pattern is a kind, conditions, or both: `head layer>=2 head=1`, `feature layer<5`, `token position=3`, `source!=0`.
Compared are `layer`, `position`, `source` (where a head reads), `number`, and by what they number `feature`, `head` and
`target`. What a step does not have fulfils no condition.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mechlab.circuits.attribution.paths import ENDS, Path, Step
from mechlab.core.errors import UsageError

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
KINDS = ("target", "feature", "head", "skip", *ENDS)
NUMBERED = ("feature", "head", "target")
FIELDS = ("layer", "position", "source", "number")
_CONDITION = re.compile(r"(\w+)(<=|>=|!=|=|<|>)(\d+)")


@dataclass(frozen=True)
class StepPattern:
    """What a step has to be.

    Attributes:
        kind: of which kind; None for any.
        conditions: field, comparison and number.
    """

    kind: str | None
    conditions: tuple[tuple[str, str, int], ...]

    @staticmethod
    def parse(text: str) -> "StepPattern":
        """Return the pattern that words stand for.

        Raises:
            UsageError: a word is no kind and no condition, or two kinds are asked for.
        """
        kinds, conditions = set[str](), []
        for word in text.split():
            found = _CONDITION.fullmatch(word)
            if word in KINDS:
                kinds.add(word)
            elif found and found[1] in (*FIELDS, *NUMBERED):
                if found[1] in NUMBERED:
                    kinds.add(found[1])
                field = "number" if found[1] in NUMBERED else found[1]
                conditions.append((field, found[2], int(found[3])))
            else:
                remedy = f"Kinds are {', '.join(KINDS)}; conditions are such as layer<3, head=1 or position!=0."
                raise UsageError("no such kind or condition of a step", value=word, remedy=remedy)
        if len(kinds) > 1:
            raise UsageError("a step is of one kind", value=text, remedy="Write a pattern for each.")
        return StepPattern(kinds.pop() if kinds else None, tuple(conditions))

    def fits(self, step: Step) -> bool:
        """Return whether a step is so."""
        return self.kind in (None, step.kind) and all(
            (own := getattr(step, field)) is not None and bool(OPERATORS[comparison](own, number))
            for field, comparison, number in self.conditions
        )


def paths_with(
    paths: Iterable[Path],
    *,
    beginning: Sequence[str] = (),
    within: Sequence[str] = (),
    end: Sequence[str] = (),
    without: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Return the paths that have all that is asked for, each once, in their order.

    Args:
        paths: from which.
        beginning: patterns of the first steps, in order.
        within: patterns of steps that follow one another, anywhere.
        end: patterns of the last steps; the very last is the target.
        without: patterns that no step may fit.

    Raises:
        UsageError: a pattern is not understood.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (their code's path filters).
    """
    asked = (beginning, within, end, without)
    first, inner, last, never = ([StepPattern.parse(one) for one in patterns] for patterns in asked)

    def is_asked(path: Path) -> bool:
        starts = range(len(path) - len(inner) + 1)
        return (
            _stands(first, path.steps, 0)
            and _stands(last, path.steps, len(path) - len(last))
            and any(_stands(inner, path.steps, start) for start in starts)
            and not any(pattern.fits(step) for pattern in never for step in path.steps)
        )

    return tuple(dict.fromkeys(path for path in paths if is_asked(path)))


def _stands(patterns: Sequence[StepPattern], steps: Sequence[Step], start: int) -> bool:
    if start < 0 or start + len(patterns) > len(steps):
        return False
    return all(pattern.fits(step) for pattern, step in zip(patterns, steps[start:], strict=False))
