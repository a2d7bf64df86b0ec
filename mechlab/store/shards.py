"""The parts of a checkpoint that several processes write: one file of tensors each, joined along the first axis."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.store.checksums import sha256_of
from mechlab.store.disk import explained
from mechlab.store.tensors import read_tensors, write_tensors


def shard_name(index: int, n: int) -> str:
    """Return the file name of shard `index`, from zero, of n."""
    return f"shard-{index + 1:05d}-of-{n:05d}.safetensors"


def write_shard(folder: Path, index: int, n: int, tensors: Mapping[str, Tensor]) -> str:
    """Write one shard into a folder, which may be there already, and return its SHA-256."""
    path = folder / shard_name(index, n)
    with explained(path):
        write_tensors(path, tensors)
        return sha256_of(path)


def read_shards(folder: Path, checksums: Sequence[str], only: int | None = None) -> dict[str, Tensor]:
    """Return the joined tensors of all shards, or those of shard `only`.

    Raises:
        ArtifactError: a shard is missing or was changed.
    """
    n = len(checksums)
    wanted = range(n) if only is None else [only]
    parts = [_checked(folder / shard_name(index, n), checksums[index]) for index in wanted]
    if len(parts) == 1:
        return parts[0]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _checked(path: Path, sha256: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise ArtifactError(f"{path.name} is missing.")
    tensors = read_tensors(path)
    if sha256_of(path) != sha256:
        raise ArtifactError(f"{path.name} was changed.")
    return tensors
