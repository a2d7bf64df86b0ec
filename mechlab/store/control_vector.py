"""Control vectors in GGUF files: a direction for some layers, as llama.cpp adds them and repeng writes and reads them.

`general.architecture` is `controlvector`; `controlvector.model_hint` names the model's type; the tensor `direction.L`
is added to what block L puts out, blocks counted from 0 by both programs: the site `resid_post.L`. llama.cpp knows no
`direction.0` and refuses files that have one. `controlvector.layer_count` is how many directions there are, as repeng
counts; neither program reads it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float32
from torch import Tensor

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.gguf_file import read_gguf, write_gguf

ARCHITECTURE, CONTROL = "general.architecture", "controlvector"
PREFIX, LAYER = "direction.", re.compile(r"direction\.(0|[1-9]\d{0,5})")


@dataclass(frozen=True, eq=False)
class ControlVector:
    """A direction for some layers, by the layer's number from 0, and the model's type; empty where it is not told."""

    model_hint: str
    directions: dict[int, Float32[Tensor, "d_model"]]


def write_control_vector(path: Path, model_hint: str, directions: Mapping[int, Float32[Tensor, "d_model"]]) -> None:
    """Write a control vector; whole or not at all.

    Args:
        path: the file.
        model_hint: the model's type, such as `llama` or `gpt2`.
        directions: by layer, from 1.

    Raises:
        UsageError: there is no direction or one for layer 0, they differ in width or are not finite; the disk refuses.
    """
    if not directions or min(directions) < 1:
        value = ", ".join(map(str, directions)) or "none"
        remedy = "Give one for each of some layers from 1 on: llama.cpp adds nothing behind layer 0."
        raise UsageError("control vector has no direction for these layers", value=value, remedy=remedy)
    if fault := _fault(directions):
        raise UsageError(f"control vector {fault}", value=str(path), remedy="Check how it was made.")
    values = {ARCHITECTURE: CONTROL, f"{CONTROL}.model_hint": model_hint, f"{CONTROL}.layer_count": len(directions)}
    write_gguf(path, values, {f"{PREFIX}{layer}": directions[layer].float() for layer in sorted(directions)})


def read_control_vector(path: Path) -> ControlVector:
    """Return the control vector in a file; tensors of other names are left out.

    Raises:
        ArtifactError: the file is missing, damaged or no control vector, or its directions differ in width or are not
            finite.
    """
    found = read_gguf(path)
    if (kind := found.values.get(ARCHITECTURE)) != CONTROL:
        remedy = f"It is of architecture {kind!r}." if kind else "It names no architecture."
        raise ArtifactError("GGUF file is no control vector", value=str(path), remedy=remedy)
    directions: dict[int, Tensor] = {}
    for name, vector in found.vectors.items():
        if not name.startswith(PREFIX):
            continue
        layer = LAYER.fullmatch(name)
        if layer is None:
            raise ArtifactError(f"control vector names no layer, {name!r}", value=str(path))
        directions[int(layer[1])] = vector
    if fault := _fault(directions) if directions else "has no direction":
        raise ArtifactError(f"control vector {fault}", value=str(path), remedy="Write it again.")
    hint = found.values.get(f"{CONTROL}.model_hint", "")
    return ControlVector(str(hint), dict(sorted(directions.items())))


def _fault(directions: Mapping[int, Tensor]) -> str:
    """Return what is wrong with directions; nothing is an empty text."""
    if len({len(vector) for vector in directions.values()}) > 1:
        return "has directions of different widths"
    return "" if all(bool(vector.isfinite().all()) for vector in directions.values()) else "is not finite"
