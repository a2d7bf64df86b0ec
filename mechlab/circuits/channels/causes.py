"""What components cause: taken away, averaged, amplified or exchanged, for everything or for some receivers alone.

1. A trial changes one component, or several together, where they are written.
2. For everything that comes after (total effect), for receivers' queries, keys or values alone, or the logits alone.
3. Controls change as much at the same tokens along directions drawn from what the same heads can write.
4. Restricted to what one receiver can read, the rest of a change is left out.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from mechlab.circuits.channels.drawn import drawn_across
from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.circuits.effects import Asked
from mechlab.circuits.outcomes import position_of
from mechlab.core.errors import UsageError
from mechlab.interventions.head_changes import Change, averaged, change_heads, exchanged, moved, restricted, scaled
from mechlab.interventions.path_changes import Receiver, change_paths
from mechlab.models.sites import Head

Component = tuple[int, int, int]
Way = Literal["ablate", "average", "amplify", "exchange"]


@dataclass(frozen=True, eq=False)
class ComponentTrial:
    """One or more components of heads, changed together.

    Attributes:
        circuits: of the model; components and what receivers can read are theirs.
        components: layer, head, number.
        way: `ablate` takes them away; `average` gives every prompt the mean of the pass; `amplify` multiplies them by
            `factor`; `exchange` puts those of the corrupted prompt there.
        receivers: who alone sees it; None for everything that comes after.
        logits: whether the logits are among the receivers; without receivers, the logits alone see it.
        at: the role at which the heads write it; None for every token.
        factor: of `amplify`.
        control: None, or the seed of directions that what is taken away is taken from instead (`ablate` only).
        seen_by: keep only what this receiver can read of the change.
    """

    circuits: HeadCircuits
    components: tuple[Component, ...]
    way: Way = "ablate"
    receivers: tuple[Receiver, ...] = ()
    logits: bool = False
    at: str | None = None
    factor: float = 2.0
    control: int | None = None
    seen_by: Receiver | None = None

    def __post_init__(self) -> None:
        refuse_foreign_components(self.circuits, self.components)
        if self.control is not None and self.way != "ablate":
            raise UsageError("only what is taken away has a control", value=self.way, remedy="Use way='ablate'.")

    def __call__(self, asked: Asked) -> AbstractContextManager[Any]:
        """Return a context in which the components of a batch are changed."""
        where = None if self.at is None else at_role(asked, self.at)
        by_head: dict[Head, list[int]] = {}
        for layer, head, number in self.components:
            by_head.setdefault((layer, head), []).append(number)
        changes = {head: self._change(asked, head, numbers, where) for head, numbers in by_head.items()}
        if self.receivers or self.logits:
            return change_paths(asked.model, changes, self.receivers, logits=self.logits, where=where)
        return change_heads(asked.model, changes, where=where)

    def controlled(self, seed: int) -> "ComponentTrial":
        """Return the control of the same size along drawn directions."""
        return replace(self, control=seed)

    def _change(self, asked: Asked, head: Head, numbers: list[int], where: Tensor | None) -> Change:
        directions = self.circuits.ov.write[head][:, numbers].T
        if self.control is not None:
            change = moved(directions, drawn_across(self.circuits, head, numbers, self.control))
        elif self.way == "exchange":
            change = exchanged(directions, asked.corrupted(head))
        elif self.way == "average":
            change = averaged(directions, where)
        else:
            change = scaled(directions, 0.0 if self.way == "ablate" else self.factor)
        if self.seen_by is None:
            return change
        return restricted(change, self.circuits.readers(self.seen_by.mode).directions[self.seen_by.head].T)


def at_role(asked: Asked, role: str) -> Bool[Tensor, "n pos"]:
    """Return which tokens play a role.

    Raises:
        UsageError: the prompts have no such role.
    """
    positions = position_of(asked.pairs, role)
    return torch.arange(asked.pairs.clean.shape[1]) == positions[:, None]


def refuse_foreign_components(circuits: HeadCircuits, components: Sequence[Component]) -> None:
    """Refuse components that are not of this model.

    Raises:
        UsageError: there is none, one is there twice, or a layer, head or number is out of range.
    """
    if not components or len(set(components)) < len(components):
        value = ", ".join(".".join(map(str, one)) for one in components) or "none"
        raise UsageError("components to change are none, or one is there twice", value=value)
    sizes = circuits.ov.values.shape
    for component in components:
        if not all(0 <= number < size for number, size in zip(component, sizes, strict=True)):
            remedy = f"Layers are 0..{sizes[0] - 1}, heads 0..{sizes[1] - 1}, components 0..{sizes[2] - 1}."
            raise UsageError("no such component", value=".".join(map(str, component)), remedy=remedy)
