"""A few edits of heads' components as one small file: directions as tensors, the rest as text beside them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.store.safetensors_header import read_header
from mechlab.store.tensors import read_tensors, write_tensors

KEY, DIRECTIONS = "component_edits", "directions"


def write_component_edits(
    path: Path, model_fingerprint: str, edits: Sequence[dict[str, Any]], directions: Float[Tensor, "n d_model"]
) -> None:
    """Write what each edit is and its direction, with the fingerprint of the model they are of; whole or not at all.

    Raises:
        UsageError: the disk is full or refuses the write.
    """
    text = json.dumps({"model": model_fingerprint, "edits": list(edits)}, sort_keys=True)
    write_tensors(path, {DIRECTIONS: directions}, (KEY, text))


def read_component_edits(path: Path) -> tuple[str, list[dict[str, Any]], Float[Tensor, "n d_model"]]:
    """Return the model's fingerprint, what each edit is, and their directions.

    Raises:
        ArtifactError: the file is missing or damaged, or holds something else.
    """
    text = read_header(path).metadata.get(KEY)
    if text is None:
        raise ArtifactError("file holds no edits of components", value=str(path), remedy="Give one save_edits wrote.")
    try:
        found = json.loads(text)
        model, edits = found["model"], found["edits"]
        directions = read_tensors(path, [DIRECTIONS])[DIRECTIONS]
        if len(directions) != len(edits):
            raise ValueError("as many directions as edits")
    except (ValueError, KeyError, TypeError):
        raise damaged(path) from None
    return model, edits, directions


def damaged(path: Path) -> ArtifactError:
    """Return what a file of edits that do not make sense is answered with."""
    return ArtifactError("edits of components are damaged", value=str(path), remedy="Copy or write it again.")
