"""A table in a file: named columns of numbers or texts, one row each, as an Arrow file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.store.disk import replacing

MARK = {b"mechlab.table": b"1"}


def write_table(path: Path, columns: Mapping[str, Tensor | Sequence[str]]) -> None:
    """Write a table; equal ones give equal bytes, and any Arrow reader opens it.

    Args:
        path: the file; it is replaced whole or not at all.
        columns: numbers (one dimension) or texts by name, all of one length.

    Raises:
        UsageError: the disk is full or refuses the write; nothing is left behind.
    """
    batch = pa.RecordBatch.from_pydict({name: _array(column) for name, column in columns.items()}, metadata=MARK)
    with replacing(path) as temporary, pa.ipc.new_file(str(temporary), batch.schema) as writer:
        writer.write_batch(batch)


def read_table(path: Path) -> dict[str, Tensor | list[str]]:
    """Return the columns by name; numbers are the file itself, not to be written to.

    Raises:
        ArtifactError: the file is missing, truncated, damaged, or no such table.
    """
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if not MARK.items() <= (reader.schema.metadata or {}).items() or reader.num_record_batches != 1:
            raise ArtifactError("file is no table of mechlab's", value=str(path), remedy="It is another Arrow file.")
        batch = reader.get_batch(0)
        batch.validate(full=True)
        return {name: _column(batch.column(name)) for name in batch.schema.names}
    except FileNotFoundError:
        raise ArtifactError("table cannot be read", value=str(path), remedy="There is no such file.") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ArtifactError("table is damaged", value=str(path), remedy=f"{error}.") from None


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
