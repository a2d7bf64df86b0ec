"""Paths of stops: the parts of a model that an observable is handed back through, from the logits down.

A path is written as it is run, its source first: `mlp.0`, `head.2.1`, `logits`. Stops are `head.L.H`, `heads.L` (all of
a layer), `mlp.L` and `logits`, the last. Between stops the stream hands on what it has. A `+` behind a stop, as in
`mlp.1+`, lets the stream pass beside it, too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.spec import ModelSpec

LOGITS = "logits"
FORM = re.compile(r"(?:head\.(\d+)\.(\d+)|heads\.(\d+)|mlp\.(\d+))(\+?)")


@dataclass(frozen=True)
class Stop:
    """A part of a model on a path.

    Attributes:
        layer: the number of layers for the logits.
        number: the head's.
        beside: whether the stream passes beside it, too.
    """

    kind: Literal["head", "heads", "mlp", "logits"]
    layer: int
    number: int | None = None
    beside: bool = False

    @property
    def name(self) -> str:
        """Return such as `head.2.1`, `mlp.1+` or `logits`."""
        if self.kind == LOGITS:
            return LOGITS
        numbers = (self.layer,) if self.number is None else (self.layer, self.number)
        return ".".join(map(str, (self.kind, *numbers))) + "+" * self.beside

    @property
    def norm(self) -> str:
        """Return the norm it reads the stream through."""
        return {"mlp": f"ln2.{self.layer}", LOGITS: "ln_final"}.get(self.kind, f"ln1.{self.layer}")

    def stream(self, spec: ModelSpec) -> str:
        """Return the site of the stream in front of that norm."""
        if self.kind == LOGITS:
            return f"resid_post.{spec.n_layers - 1}"
        return f"resid_mid.{self.layer}" if self.kind == "mlp" and not spec.parallel else f"resid_pre.{self.layer}"

    def place(self, spec: ModelSpec) -> tuple[int, int]:
        """Return where it stands: of two stops, the one in the lower place is heard by the other."""
        return self.layer, int(self.kind == "mlp" and not spec.parallel)

    @staticmethod
    def parse(text: str, spec: ModelSpec) -> "Stop":
        """Return the stop that a name stands for.

        Raises:
            UnknownName: it stands for none of this model.
        """
        if text == LOGITS:
            return Stop("logits", spec.n_layers)
        found = FORM.fullmatch(text)
        if found is None:
            remedy = "Stops are head.L.H, heads.L, mlp.L (each with a + to let the stream pass beside it) and logits."
            raise UnknownName("stop is not known", value=text, remedy=remedy)
        layer, head = next(int(one) for one in (found[1], found[3], found[4]) if one is not None), found[2]
        stop = Stop(text.partition(".")[0], layer, None if head is None else int(head), bool(found[5]))  # type: ignore[arg-type]
        if layer >= spec.n_layers or (stop.number or 0) >= spec.n_heads or (stop.kind == "mlp" and spec.d_mlp == 0):
            mlps = "" if spec.d_mlp else " There are no MLPs."
            remedy = f"Layers are 0..{spec.n_layers - 1}, heads 0..{spec.n_heads - 1}.{mlps}"
            raise UnknownName("this model has no such stop", value=text, remedy=remedy)
        return stop


def path_of(names: Sequence[str], spec: ModelSpec) -> tuple[Stop, ...]:
    """Return the stops of a path, its source first.

    Raises:
        UnknownName: there is no such stop.
        UsageError: the path does not end at the logits, or a stop does not hear the one before it.
    """
    stops = tuple(Stop.parse(name, spec) for name in names)
    if not stops or stops[-1].kind != LOGITS:
        remedy = "Name its source first and the logits last."
        raise UsageError("path does not end at the logits", value=" -> ".join(names), remedy=remedy)
    for early, late in pairwise(stops):
        if early.place(spec) >= late.place(spec):
            value = f"{early.name} -> {late.name}"
            raise UsageError("stop does not hear the one before it", value=value, remedy="Order them as they are run.")
    return stops
