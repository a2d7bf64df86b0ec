"""Directions as one small file: vectors as tensors, the rest as text beside them, under one checksum."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mechlab.core.config import canonical_json
from mechlab.core.errors import ArtifactError
from mechlab.store.safetensors_header import read_header
from mechlab.store.tensors import read_tensors, write_tensors

KEY, FORMAT = "directions", 1


def write_direction_file(path: Path, described: Sequence[Mapping[str, Any]], vectors: Sequence[Tensor]) -> None:
    """Write what each direction is, and its vector; whole or not at all. Equal directions give equal bytes.

    Raises:
        UsageError: the disk is full or refuses the write.
    """
    named = {_name(place): vector for place, vector in enumerate(vectors)}
    held = {"format": FORMAT, "directions": [dict(one) for one in described]}
    held["sha256"] = _checksum(held["directions"], vectors)
    write_tensors(path, named, (KEY, json.dumps(held, sort_keys=True, allow_nan=False)))


def read_direction_file(path: Path) -> list[tuple[dict[str, Any], Tensor]]:
    """Return what each direction is, and its vector, in the order they were written.

    Raises:
        ArtifactError: the file is missing or damaged, was changed, holds something else, or is of a newer format.
    """
    text = read_header(path).metadata.get(KEY)
    if text is None:
        raise ArtifactError("file holds no directions", value=str(path), remedy="Give one that save_directions wrote.")
    try:
        held = json.loads(text)
        described, checksum, version = held["directions"], held["sha256"], held["format"]
        if not isinstance(described, list) or not all(isinstance(one, dict) for one in described):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged(path) from None
    if version != FORMAT:
        remedy = f"This mechlab reads format {FORMAT}."
        raise ArtifactError("directions are of another format", value=f"{path}: {version}", remedy=remedy)
    vectors = read_tensors(path)
    if list(vectors) != [_name(place) for place in range(len(described))]:
        raise damaged(path)
    if _checksum(described, list(vectors.values())) != checksum:
        raise ArtifactError("directions were changed", value=str(path), remedy="Copy or write them again.")
    return list(zip(described, vectors.values(), strict=True))


def damaged(path: Path) -> ArtifactError:
    """Return what a file of directions that do not make sense is answered with."""
    return ArtifactError("file of directions is damaged", value=str(path), remedy="Copy or write it again.")


def _name(place: int) -> str:
    """Return a name that sorts as places do."""
    return f"direction.{place:08d}"


def _checksum(described: Sequence[Mapping[str, Any]], vectors: Sequence[Tensor]) -> str:
    hasher = hashlib.sha256(canonical_json([dict(one) for one in described]).encode())
    for vector in vectors:
        own = vector.detach().cpu().contiguous()
        hasher.update(f"{own.dtype}{list(own.shape)}".encode() + own.numpy().tobytes())
    return hasher.hexdigest()
