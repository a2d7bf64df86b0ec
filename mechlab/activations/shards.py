"""Activations on disk: .npy shards with an index that vouches for every byte, read back by memory map.

A folder holds `index.json` and `00000.npy`, `00001.npy`, ... each [n_rows, d_in] in float32, float16, or bfloat16 kept
as its 16 bits (uint16). The folder appears under its name only when whole.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from pydantic import PositiveInt
from torch import Tensor

from mechlab.activations.mixing import Block, MixConfig, MixedBatches
from mechlab.core.config import Config, build, canonical_json, digest
from mechlab.core.errors import ArtifactError, ConfigError, UsageError
from mechlab.core.progress import SILENT, Progress

SCHEMA_VERSION = 1
INDEX = "index.json"
BLOCK_ROWS, BLOCKS_PER_READ = 128, 32
NUMPY_DTYPES = {"float32": "<f4", "float16": "<f2", "bfloat16": "<u2"}


class Shard(Config):
    """One file: its rows, its size and its hash."""

    file: str
    n_rows: PositiveInt
    n_bytes: PositiveInt
    sha256: str


class ShardIndex(Config):
    """What a folder of shards holds.

    Attributes:
        source: the hash of what determined the vectors: model, rows, site.
        shards: the files, in order.
    """

    schema_version: int = SCHEMA_VERSION
    dtype: Literal["float32", "float16", "bfloat16"]
    d_in: PositiveInt
    source: str
    shards: tuple[Shard, ...]


class ShardConfig(Config):
    """How shards are written.

    Attributes:
        shard_rows: vectors per file, rounded down to whole batches but never below one.
        dtype: how a number is kept; float16 and bfloat16 halve the bytes.
    """

    shard_rows: PositiveInt = 262144
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"


def write_shards(
    batches: MixedBatches, folder: Path, config: ShardConfig | None = None, *, progress: Progress = SILENT
) -> ShardIndex:
    """Write all batches of a stream and return the index of the folder.

    Raises:
        UsageError: the folder exists, the stream has no end, or the disk is full; nothing half-written is left.
    """
    config = config or ShardConfig()
    if folder.exists():
        raise UsageError("folder of shards exists", value=str(folder), remedy="Choose another, or delete it.")
    if (n_batches := batches.config.n_batches) is None:
        raise UsageError("stream has no end", remedy="Set n_batches.")
    batch_size, first = batches.config.batch_size, batches.n_served
    per_shard, n_vectors = max(1, config.shard_rows // batch_size), (n_batches - first) * batch_size
    with _whole_or_nothing(folder) as unfinished, progress.task("writing", n_vectors, "vectors") as task:
        shards: list[Shard] = []
        for start in range(first, n_batches, per_shard):
            n_rows = min(per_shard, n_batches - start) * batch_size
            file = unfinished / f"{len(shards):05d}.npy"
            shards.append(_write(file, (n_rows, batches.d_in), config.dtype, islice(batches, n_rows // batch_size)))
            task.advance(n_rows)
        fields = {"dtype": config.dtype, "d_in": batches.d_in, "source": batches.fingerprint, "shards": shards}
        index = build(ShardIndex, fields)
        (unfinished / INDEX).write_text(canonical_json(index), encoding="utf-8")
    return index


def read_index(folder: Path, *, verify: bool = True) -> ShardIndex:
    """Return the index of a folder of shards.

    Args:
        folder: what `write_shards` made.
        verify: hash every file; False compares the sizes only.

    Raises:
        ArtifactError: the index or a shard is missing, truncated, changed, or of a newer mechlab.
    """
    try:
        fields: Any = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if fields["schema_version"] > SCHEMA_VERSION:
            raise ArtifactError("shards are of a newer mechlab", value=str(folder), remedy="Update mechlab.")
        index = build(ShardIndex, fields)
    except OSError as error:
        raise ArtifactError("no index of shards", value=str(folder / INDEX), remedy=f"{error.strerror}.") from None
    except (ValueError, KeyError, TypeError, ConfigError) as error:
        raise ArtifactError("index of shards is broken", value=str(folder / INDEX), remedy=str(error)) from None
    for shard in index.shards:
        _refuse_changed(folder / shard.file, shard, verify)
    return index


class ShardSource:
    """The vectors of a folder of shards in blocks of neighbours; see `mixing.Source`."""

    def __init__(self, folder: Path, *, verify: bool, device: torch.device | str) -> None:
        self.index = read_index(folder, verify=verify)
        self.device = torch.device(device)
        self.d_in, self.unit_size, self.fingerprint = self.index.d_in, BLOCK_ROWS, digest(self.index)
        self.n_vectors = sum(shard.n_rows for shard in self.index.shards)
        self._shards = [np.load(folder / shard.file, mmap_mode="r", allow_pickle=False) for shard in self.index.shards]
        self._blocks = [
            (number, start)
            for number, shard in enumerate(self.index.shards)
            for start in range(0, shard.n_rows, BLOCK_ROWS)
        ]
        self.n_units = len(self._blocks)

    def read(self, units: Int64[Tensor, " n"]) -> Block:
        """Return the vectors of some blocks in float32."""
        places = [self._blocks[unit] for unit in units.tolist()]
        stored = np.concatenate([self._shards[number][start : start + BLOCK_ROWS] for number, start in places])
        if self.index.dtype == "bfloat16":
            return Block(torch.from_numpy(stored.view(np.int16)).view(torch.bfloat16).to(self.device, torch.float32))
        return Block(torch.from_numpy(stored).to(self.device, torch.float32))


class ShardStream(MixedBatches):
    """Shuffled batches [batch_size, d_in] of stored activations; the same iteration as `ActivationStream`.

    Args:
        folder: what `write_shards` made.
        config: how the vectors are mixed.
        verify: hash every file first; False compares the sizes only.
        device: where the batches are wanted.

    Raises:
        ArtifactError: the index or a shard is missing, truncated or changed.
    """

    def __init__(
        self, folder: Path, config: MixConfig, *, verify: bool = True, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(ShardSource(folder, verify=verify, device=device), BLOCKS_PER_READ, config)


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.sha256, self.n_bytes = stream, hashlib.sha256(), 0

    def write(self, data: Any) -> None:
        self._stream.write(data)
        self.sha256.update(data)
        self.n_bytes += memoryview(data).nbytes


def _write(file: Path, shape: tuple[int, int], dtype: str, batches: Iterator[Tensor]) -> Shard:
    with file.open("wb") as stream:
        hashed = _Hashed(stream)
        header = {"descr": NUMPY_DTYPES[dtype], "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(hashed, header)  # pyright: ignore[reportArgumentType]
        for batch in batches:
            hashed.write(_stored(batch, dtype).data)
    return Shard(file=file.name, n_rows=shape[0], n_bytes=hashed.n_bytes, sha256=hashed.sha256.hexdigest())


def _stored(batch: Float[Tensor, "batch d_in"], dtype: str) -> Shaped[np.ndarray, "batch d_in"]:
    numbers = batch.to("cpu", getattr(torch, dtype)).contiguous()
    return (numbers.view(torch.int16) if dtype == "bfloat16" else numbers).numpy()


def _refuse_changed(file: Path, shard: Shard, verify: bool) -> None:
    if not file.is_file():
        raise ArtifactError("shard is missing", value=str(file))
    if (size := file.stat().st_size) != shard.n_bytes:
        raise ArtifactError(
            "shard is truncated or changed", value=str(file), remedy=f"{size} of {shard.n_bytes} bytes."
        )
    if verify:
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != shard.sha256:
                raise ArtifactError("shard was changed", value=str(file), remedy="Its SHA-256 is not the index's.")


@contextmanager
def _whole_or_nothing(folder: Path) -> Iterator[Path]:
    """Yield a folder beside the wanted one, and give it its name at the end; an error removes it."""
    unfinished = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        unfinished.rename(folder)
    except OSError as error:
        raise UsageError("shards cannot be written", value=str(folder), remedy=f"{error.strerror}.") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
