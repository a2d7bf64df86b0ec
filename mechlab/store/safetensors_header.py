"""What a safetensors file says of itself in its first bytes: where each tensor lies. Read without loading a tensor."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mechlab.core.errors import ArtifactError

LONGEST_HEADER = 100_000_000
PICKLE_SUFFIXES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"}
PICKLE_STARTS = (b"PK\x03\x04", *(bytes([0x80, protocol]) for protocol in range(2, 6)))
CONVERT = "mechlab never unpickles; convert it once with safetensors.torch.save_file where you trust it."
COPY_AGAIN = "Copy or write it again."


@dataclass(frozen=True)
class Header:
    """The bytes before the first tensor, where each tensor lies in the file, and the free metadata."""

    n_bytes: int
    spans: dict[str, tuple[int, int]]
    metadata: dict[str, str]


def read_header(path: Path) -> Header:
    """Return the header of a safetensors file, checked against the file's length.

    Raises:
        ArtifactError: the file is missing, truncated, a pickle, or not safetensors; the message says which.
    """
    if not path.is_file():
        raise ArtifactError("tensor file is missing", value=str(path), remedy=COPY_AGAIN)
    length = path.stat().st_size
    try:
        with path.open("rb") as file:
            entries, n_bytes = _entries(file, length, path)
    except OSError as error:
        raise ArtifactError("tensor file cannot be read", value=str(path), remedy=f"{error.strerror}.") from None
    metadata = entries.pop("__metadata__", {})
    try:
        spans = {name: _span(entry, n_bytes) for name, entry in entries.items()}
    except (KeyError, TypeError, ValueError):
        raise _damaged(path) from None
    end = max((end for _, end in spans.values()), default=n_bytes)
    if end != length:
        raise _wrong_length(path, length, end)
    return Header(n_bytes, spans, metadata)


def _entries(file: BinaryIO, length: int, path: Path) -> tuple[dict[str, Any], int]:
    start = file.read(8)
    n_bytes = 8 + int.from_bytes(start, "little")
    if n_bytes > LONGEST_HEADER or path.suffix in PICKLE_SUFFIXES:
        if start.startswith(PICKLE_STARTS) or path.suffix in PICKLE_SUFFIXES:
            raise ArtifactError("weights are a pickle file", value=str(path), remedy=CONVERT)
        raise ArtifactError("not a safetensors file", value=str(path), remedy=COPY_AGAIN)
    if len(start) < 8 or n_bytes > length:
        raise _wrong_length(path, length, max(n_bytes, 8))
    try:
        entries = json.loads(file.read(n_bytes - 8))
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    if not isinstance(entries, dict):
        raise _damaged(path)
    return entries, n_bytes


def _span(entry: dict[str, Any], n_bytes: int) -> tuple[int, int]:
    start, end = (int(offset) for offset in entry["data_offsets"])
    if not 0 <= start <= end:
        raise ValueError
    return n_bytes + start, n_bytes + end


def _wrong_length(path: Path, length: int, expected: int) -> ArtifactError:
    what = "tensor file is truncated" if length < expected else "tensor file has extra bytes"
    return ArtifactError(what, value=str(path), remedy=f"{length} bytes instead of {expected}. {COPY_AGAIN}")


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError("header of the tensor file is damaged", value=str(path), remedy=COPY_AGAIN)
