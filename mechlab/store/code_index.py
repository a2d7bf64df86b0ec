"""A table of tokens in a file: whole numbers per token, opened without reading them, as an Arrow file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.store.arrow_file import opened_batch, write_batch

FACTS = b"mechlab.code_index"


def write_code_index(path: Path, columns: Mapping[str, Int[Tensor, "n_tokens ..."]], facts: Mapping[str, Any]) -> None:
    """Write the tables of an index and what it says of itself; equal ones give equal bytes.

    A table of one number per token is a column of numbers, one of several a column of lists of one length.

    Args:
        path: the file; it is replaced whole or not at all.
        columns: the tables by name, all of equally many tokens.
        facts: values that have a JSON form.

    Raises:
        UsageError: the disk is full or refuses the write; nothing is left behind.
    """
    arrays = {name: _array(table) for name, table in columns.items()}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    write_batch(path, arrays, FACTS, text.encode())


def read_code_index(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tables and the facts; the tables are the file itself, not to be written to.

    Raises:
        ArtifactError: the file is missing, truncated, damaged, or no index of codes.
    """
    with opened_batch(path, FACTS, "index of codes") as batch:
        facts = json.loads(batch.schema.metadata[FACTS])
        return {name: _tensor(batch.column(name)) for name in batch.schema.names}, facts


def _array(table: Int[Tensor, "n_tokens ..."]) -> pa.Array:
    numbers = pa.array(table.cpu().contiguous().flatten().numpy())
    return numbers if table.ndim == 1 else pa.FixedSizeListArray.from_arrays(numbers, table[0].numel())


def _tensor(column: pa.Array) -> Tensor:
    width = column.type.list_size if pa.types.is_fixed_size_list(column.type) else None
    numbers = column if width is None else column.flatten()
    if not pa.types.is_integer(numbers.type):
        raise pa.ArrowTypeError(f"a table holds {numbers.type}, not whole numbers")
    found = torch.from_dlpack(numbers)
    return found if width is None else found.view(-1, width)
