"""GGUF files of vectors: named values and float32 vectors, as ggml's programs write and read them.

Facts of the format (version 3, little-endian): `GGUF`, the version (uint32), how many tensors and how many values
(uint64). Each value is a name, a type (uint32) and what it is; text is its length (uint64) and its bytes. Each tensor
is a name, its dimensions (uint32, then a uint64 each), a type (uint32; 0 is float32) and where it begins (uint64)
behind the header. The header is filled up to a multiple of the alignment, 32 unless `general.alignment` says otherwise,
and so is every tensor.

A file is not trusted: every length is held against the bytes that are left before anything is read or made.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.store.disk import write_bytes

MAGIC, VERSIONS, ALIGNMENT = b"GGUF", (2, 3), 32
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
UINT32, TEXT, LIST, FLOAT32 = 4, 8, 9, 0
LEAST_VALUE, LEAST_TENSOR = 8 + 4 + 1, 8 + 4 + 8 + 4 + 8
COPY_AGAIN = "Copy or write it again."
Value = str | int | float | bool


@dataclass(frozen=True, eq=False)
class GGUF:
    """What a file holds: values by name, lists left out; and vectors by name."""

    values: dict[str, Value]
    vectors: dict[str, Float32[Tensor, "_"]]


def write_gguf(path: Path, values: Mapping[str, str | int], vectors: Mapping[str, Float32[Tensor, "_"]]) -> None:
    """Write texts, numbers (as uint32) and float32 vectors in the order given; whole or not at all.

    Raises:
        UsageError: the disk is full or refuses the write.
    """
    header = MAGIC + struct.pack("<IQQ", VERSIONS[-1], len(vectors), len(values))
    for name, value in values.items():
        kind = struct.pack("<I", TEXT) + _text(value) if isinstance(value, str) else struct.pack("<II", UINT32, value)
        header += _text(name) + kind
    data = b""
    for name, vector in vectors.items():
        header += _text(name) + struct.pack("<IQIQ", 1, len(vector), FLOAT32, len(data))
        data += _padded(vector.detach().cpu().numpy().astype("<f4").tobytes())
    write_bytes(path, _padded(header) + data)


def read_gguf(path: Path) -> GGUF:
    """Return the values and vectors of a file.

    Raises:
        ArtifactError: the file is missing, truncated or no GGUF, or holds tensors that are not float32 vectors.
    """
    if not path.is_file():
        raise ArtifactError("GGUF file is missing", value=str(path), remedy=COPY_AGAIN)
    try:
        with path.open("rb") as file:
            return _read(_Cursor(path, file, path.stat().st_size))
    except OSError as error:
        raise ArtifactError("GGUF file cannot be read", value=str(path), remedy=f"{error.strerror}.") from None


class _Cursor:
    """A place in a file that never looks beyond its end."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size, self.at = path, file, size, 0

    def refused(self, what: str) -> ArtifactError:
        return ArtifactError(f"GGUF file {what}", value=str(self.path), remedy=COPY_AGAIN)

    def need(self, n_bytes: int) -> None:
        if n_bytes > self.size - self.at:
            raise self.refused("is truncated or damaged")

    def skip(self, n_bytes: int) -> None:
        self.need(n_bytes)
        self.at += n_bytes
        self.file.seek(self.at)

    def bytes(self, n_bytes: int) -> bytes:
        self.need(n_bytes)
        self.at += n_bytes
        return self.file.read(n_bytes)

    def number(self, code: str) -> int | float | bool:
        (found,) = struct.unpack(f"<{code}", self.bytes(struct.calcsize(f"<{code}")))
        return found

    def count(self, code: str, least: int = 0) -> int:
        """Return how many things follow; each takes at least so many bytes."""
        found = int(self.number(code))
        self.need(found * least)
        return found

    def text(self) -> str:
        try:
            return self.bytes(self.count("Q", 1)).decode()
        except UnicodeDecodeError:
            raise self.refused("is damaged") from None


def _read(cursor: _Cursor) -> GGUF:
    if cursor.size < len(MAGIC) or cursor.bytes(len(MAGIC)) != MAGIC:
        raise ArtifactError("not a GGUF file", value=str(cursor.path), remedy="Give one that begins with GGUF.")
    version = cursor.count("I")
    if version not in VERSIONS:
        other = "of the other byte order" if version & 0xFFFF == 0 and version else f"of version {version}"
        raise cursor.refused(f"is {other}, which is not read")
    n_tensors, n_values = cursor.count("Q", LEAST_TENSOR), cursor.count("Q", LEAST_VALUE)
    values: dict[str, Value] = {}
    names = set[str]()
    for _ in range(n_values):
        name, value = cursor.text(), _value(cursor)
        if name in names:
            raise cursor.refused(f"has two values called {name!r}")
        names.add(name)
        if value is not None:
            values[name] = value
    places = _places(cursor, n_tensors)
    spans = _spans(cursor, places, values.get("general.alignment", ALIGNMENT))
    return GGUF(values, {name: _vector(cursor, *span) for name, span in spans.items()})


def _value(cursor: _Cursor) -> Value | None:
    """Return a value; None for a list, which is passed over."""
    kind = cursor.count("I")
    if kind == TEXT:
        return cursor.text()
    if kind in NUMBERS:
        return cursor.number(NUMBERS[kind])
    inner = cursor.count("I") if kind == LIST else None
    if inner == TEXT:
        for _ in range(cursor.count("Q", 8)):
            cursor.skip(cursor.count("Q", 1))
    elif inner in NUMBERS:
        size = struct.calcsize(f"<{NUMBERS[inner]}")
        cursor.skip(cursor.count("Q", size) * size)
    else:
        raise cursor.refused("has a value of unknown type")
    return None


def _places(cursor: _Cursor, n_tensors: int) -> dict[str, tuple[int, int]]:
    """Return where behind the header each vector begins, and how many numbers it has."""
    places: dict[str, tuple[int, int]] = {}
    for _ in range(n_tensors):
        name, n_dimensions = cursor.text(), cursor.count("I")
        if name in places:
            raise cursor.refused(f"has two tensors called {name!r}")
        if n_dimensions != 1:
            raise cursor.refused(f"has a tensor that is no vector, {name!r}")
        length, kind, begin = cursor.count("Q", 4), cursor.count("I"), cursor.count("Q")
        if kind != FLOAT32:
            raise cursor.refused(f"has a tensor that is not float32, {name!r}")
        places[name] = begin, length
    return places


def _spans(cursor: _Cursor, places: Mapping[str, tuple[int, int]], alignment: Value) -> dict[str, tuple[int, int]]:
    """Return first byte and length of each vector, all within the file, none within another."""
    if type(alignment) is not int or not 8 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise cursor.refused(f"has an alignment of {alignment}")
    first = -(-cursor.at // alignment) * alignment
    spans = {name: (first + begin, length) for name, (begin, length) in places.items()}
    end = first
    for begin, length in sorted(spans.values()):
        if begin < end or (begin - first) % alignment or begin + 4 * length > cursor.size:
            raise cursor.refused("is truncated or damaged")
        end = begin + 4 * length
    return spans


def _vector(cursor: _Cursor, begin: int, length: int) -> Float32[Tensor, "_"]:
    numbers = np.empty(length, dtype="<f4")
    cursor.file.seek(begin)
    if cursor.file.readinto(numbers.view(np.uint8)) != 4 * length:  # type: ignore[attr-defined]
        raise cursor.refused("is truncated or damaged")
    return torch.from_numpy(numbers.astype(np.float32, copy=False))


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)
