"""A path through a frozen pass: from what adds to it, over heads, features and skips, to a target.

Every step reads the stream, and what it makes of it is read by the next. A step's name tells what it is and where:
`feature.LAYER.NUMBER@POSITION`, `head.LAYER.HEAD@FROM>TO`, `skip.LAYER@POSITION`, `token@POSITION`,
`position@POSITION`, `error.LAYER@POSITION`, `bos.LAYER@0`, `bias@POSITION` and `target.NUMBER@POSITION`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

ENDS = ("token", "position", "error", "bos", "bias")
"""What nothing adds to: a path that begins with one of these is complete."""


@dataclass(frozen=True)
class Step:
    """One node of a path.

    Attributes:
        kind: `target`, `feature`, `head`, `skip`, or one of `ENDS`.
        layer: its layer; None where it has none.
        position: where it adds to the stream; None where positions are summed over.
        number: the feature's or head's number in its layer, or the target's.
        source: where a head reads.
        label: what a target is called.
    """

    kind: str
    layer: int | None = None
    position: int | None = None
    number: int | None = None
    source: int | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """Return what it is and where."""
        own = [] if self.kind == "target" else [self.layer]
        what = self.label or ".".join(str(part) for part in (self.kind, *own, self.number) if part is not None)
        if self.position is None:
            return what
        return f"{what}@{self.position}" if self.source is None else f"{what}@{self.source}>{self.position}"

    def anywhere(self) -> "Step":
        """Return the step without its positions."""
        return replace(self, position=None, source=None)


@dataclass(frozen=True)
class Path:
    """Steps from the first to the target, and what they bring to it.

    Attributes:
        steps: in the order of the pass; the last is the target.
        effects: for each step, what comes to the target from it along the steps behind it; the last is the target's own
            value. They have the target's unit.
    """

    steps: tuple[Step, ...]
    effects: tuple[float, ...]

    @property
    def contribution(self) -> float:
        """Return what the whole path brings to the target."""
        return self.effects[0]

    @property
    def is_complete(self) -> bool:
        """Return whether it begins with what nothing adds to."""
        return self.steps[0].kind in ENDS

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        return f"{' → '.join(step.name for step in self.steps)}  {self.contribution:+.4g}"


def summed_over_positions(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return paths without positions, those that are then alike summed, the largest first, whatever its sign.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (sums over tokens).
    """
    found: dict[tuple[Step, ...], tuple[float, ...]] = {}
    for path in paths:
        steps = tuple(step.anywhere() for step in path.steps)
        own = found.get(steps, (0.0,) * len(steps))
        found[steps] = tuple(one + other for one, other in zip(own, path.effects, strict=True))
    return largest(Path(steps, effects) for steps, effects in found.items())


def largest(paths: Iterable[Path], n: int | None = None) -> tuple[Path, ...]:
    """Return the `n` paths that bring most, whatever its sign, the largest first; None is all."""
    return tuple(sorted(paths, key=lambda path: -abs(path.contribution))[:n])
