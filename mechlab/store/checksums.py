"""Checksums: a file's SHA-256 and size, and for a tensor file also its header's and each tensor's own."""

import hashlib
from pathlib import Path
from typing import BinaryIO

from pydantic import Field

from mechlab.core.config import Config
from mechlab.store.safetensors_header import Header, read_header

CHUNK_BYTES = 1 << 20


class FileRecord(Config):
    """What a file held when it was stored; `header` and `tensors` only for safetensors files."""

    sha256: str
    bytes: int
    header: str | None = None
    tensors: dict[str, str] = Field(default_factory=dict)


def record_file(path: Path) -> FileRecord:
    """Return a file's checksums.

    Raises:
        ArtifactError: the file is called .safetensors and is not one.
    """
    if path.suffix != ".safetensors":
        return FileRecord(sha256=sha256_of(path), bytes=path.stat().st_size)
    header = read_header(path)
    return FileRecord(
        sha256=sha256_of(path),
        bytes=path.stat().st_size,
        header=sha256_of(path, 0, header.n_bytes),
        tensors=tensor_checksums(path, header),
    )


def tensor_checksums(path: Path, header: Header) -> dict[str, str]:
    """Return the SHA-256 of each tensor's bytes in a safetensors file."""
    return {name: sha256_of(path, *span) for name, span in sorted(header.spans.items())}


def sha256_of(path: Path, start: int = 0, end: int | None = None) -> str:
    """Return the SHA-256, in hex, of a file's bytes from `start` up to `end` (None: to its end)."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        left = (path.stat().st_size if end is None else end) - start
        while left > 0 and (chunk := _next(file, left)):
            total.update(chunk)
            left -= len(chunk)
    return total.hexdigest()


def _next(file: BinaryIO, left: int) -> bytes:
    return file.read(min(CHUNK_BYTES, left))
