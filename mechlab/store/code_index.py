"""A table of tokens in a file: whole numbers per token, opened without reading them, as an Arrow file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from jaxtyping import Int
from torch import Tensor

from mechlab.store.arrow_file import array_of, opened_batch, tensor_of, write_batch

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
    arrays = {name: array_of(table) for name, table in columns.items()}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    write_batch(path, arrays, FACTS, text.encode())


def read_code_index(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tables and the facts; the tables are the file itself, not to be written to.

    Raises:
        ArtifactError: the file is missing, truncated, damaged, or no index of codes.
    """
    with opened_batch(path, FACTS, "index of codes") as batch:
        facts = json.loads(batch.schema.metadata[FACTS])
        return {name: _whole_numbers(batch.column(name)) for name in batch.schema.names}, facts


def _whole_numbers(column: pa.Array) -> Tensor:
    found = tensor_of(column)
    if found.is_floating_point():
        raise pa.ArrowTypeError(f"a table holds {column.type}, not whole numbers")
    return found
