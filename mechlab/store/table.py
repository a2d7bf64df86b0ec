"""A table in a file: named columns of numbers or texts, one row each, as an Arrow file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from mechlab.store.arrow_file import opened_batch, write_batch

MARK = b"mechlab.table"


def write_table(path: Path, columns: Mapping[str, Tensor | Sequence[str]]) -> None:
    """Write a table; equal ones give equal bytes, and any Arrow reader opens it.

    Args:
        path: the file; it is replaced whole or not at all.
        columns: numbers (one dimension) or texts by name, all of one length.

    Raises:
        UsageError: the disk is full or refuses the write; nothing is left behind.
    """
    write_batch(path, {name: _array(column) for name, column in columns.items()}, MARK, b"1")


def read_table(path: Path) -> dict[str, Tensor | list[str]]:
    """Return the columns by name; numbers are the file itself, not to be written to.

    Raises:
        ArtifactError: the file is missing, truncated, damaged, or no such table.
    """
    with opened_batch(path, MARK, "table") as batch:
        batch.validate(full=True)
        return {name: _column(batch.column(name)) for name in batch.schema.names}


def _array(column: Tensor | Sequence[str]) -> pa.Array:
    if isinstance(column, Tensor):
        return pa.array(column.cpu().contiguous().numpy())
    return pa.array(list(column), pa.string())


def _column(array: pa.Array) -> Tensor | list[str]:
    if array.null_count:
        raise pa.ArrowInvalid("a column lacks values")
    if pa.types.is_string(array.type):
        return array.to_pylist()
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise pa.ArrowTypeError(f"a column holds {array.type}, neither numbers nor texts")
    return torch.from_dlpack(array)
