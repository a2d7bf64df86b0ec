"""Checkpoints: the state of work in progress, one folder per step, each written whole and checked when read."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mechlab.core.config import digest
from mechlab.core.errors import ArtifactError
from mechlab.store.checksums import sha256_of
from mechlab.store.disk import explained, read_json, sync, write_json
from mechlab.store.shards import read_shards, shard_name
from mechlab.store.tensors import read_tensors, write_tensors

TENSORS_NAME = "tensors.safetensors"
STATE_NAME = "state.json"
_PREFIX = "step-"


@dataclass(frozen=True)
class Checkpoint:
    """Work after `step` steps: tensors, plain numbers, and how long the log of metrics was, in bytes.

    `shards` are the SHA-256 of files that several processes have put into `unfinished_place`, each with its part of
    further tensors.
    """

    step: int
    tensors: dict[str, Tensor]
    numbers: dict[str, Any] = field(default_factory=dict)
    log_bytes: int = 0
    shards: tuple[str, ...] = ()


def unfinished_place(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step is put together."""
    return folder / f".{_name(step)}.tmp"


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Write a checkpoint below `folder` and delete all but the newest `keep`; return its place.

    Raises:
        UsageError: the disk is full or refuses the write; older checkpoints are untouched.
    """
    place, temporary = folder / _name(checkpoint.step), unfinished_place(folder, checkpoint.step)
    with explained(place):
        _remove_but(temporary, {shard_name(index, len(checkpoint.shards)) for index in range(len(checkpoint.shards))})
        try:
            write_tensors(temporary / TENSORS_NAME, checkpoint.tensors)
            write_json(temporary / STATE_NAME, _state(checkpoint, sha256_of(temporary / TENSORS_NAME)))
            _remove(place)
            temporary.replace(place)
        except BaseException:
            _remove(temporary)
            raise
        sync(folder)
        prune(folder, keep)
    return place


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint below `folder`, None if there is none.

    Raises:
        ArtifactError: the newest is damaged; it is never passed over in silence, the message says how to.
    """
    places = checkpoint_places(folder)
    return _read(places[-1]) if places else None


def read_checkpoint(folder: Path, step: int, part: tuple[int, int]) -> Checkpoint:
    """Return the checkpoint of a step; of tensors in n shards only shard i, where `part` is (i, n).

    Raises:
        ArtifactError: it is damaged.
    """
    return _read(folder / _name(step), part)


def checkpoint_places(folder: Path) -> list[Path]:
    """Return the folders of whole checkpoints, the oldest first."""
    return sorted(folder.glob(f"{_PREFIX}*"), key=lambda place: (len(place.name), place.name))


def checkpoint_steps(folder: Path) -> list[int]:
    """Return the steps of whole checkpoints, the oldest first."""
    return [int(place.name.removeprefix(_PREFIX)) for place in checkpoint_places(folder)]


def drop_later(folder: Path, step: int | None) -> None:
    """Delete the checkpoints after a step; None deletes none."""
    for later in checkpoint_steps(folder):
        if step is not None and later > step:
            _remove(folder / _name(later))


def prune(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints."""
    places = checkpoint_places(folder)
    for place in places[: max(0, len(places) - keep)]:
        _remove(place)


def _state(checkpoint: Checkpoint, tensors_sha256: str) -> dict[str, Any]:
    state = {
        "step": checkpoint.step,
        "numbers": checkpoint.numbers,
        "log_bytes": checkpoint.log_bytes,
        "tensors_sha256": tensors_sha256,
        **({"shards": list(checkpoint.shards)} if checkpoint.shards else {}),
    }
    return {**state, "seal": digest(state)}


def _read(place: Path, part: tuple[int, int] | None = None) -> Checkpoint:
    try:
        return _checked(place, part)
    except ArtifactError as error:
        remedy = f"{error} Delete that folder to resume from the checkpoint before it."
        raise ArtifactError("checkpoint is damaged", value=str(place), remedy=remedy) from None


def _checked(place: Path, part: tuple[int, int] | None) -> Checkpoint:
    state = read_json(place / STATE_NAME, STATE_NAME)
    if state.pop("seal", None) != digest(state):
        raise ArtifactError(f"{STATE_NAME} was changed.")
    tensors = read_tensors(place / TENSORS_NAME)
    if sha256_of(place / TENSORS_NAME) != state.pop("tensors_sha256"):
        raise ArtifactError(f"{TENSORS_NAME} was changed.")
    if shards := tuple(state.pop("shards", ())):
        only = part[0] if part is not None and part[1] == len(shards) else None
        tensors |= read_shards(place, shards, only)
    return Checkpoint(tensors=tensors, **state)


def _name(step: int) -> str:
    return f"{_PREFIX}{step:08d}"


def _remove_but(folder: Path, kept: set[str]) -> None:
    """Remove what a process that was killed left of a checkpoint, but not the shards just written."""
    if not kept:
        _remove(folder)
    for path in folder.iterdir() if kept else ():
        if path.name not in kept:
            path.unlink()


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
