"""A table of features in a file: numbers, one or several per feature, and what holds for all, as an Arrow file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mechlab.store.arrow_file import array_of, opened_batch, tensor_of, write_batch

FACTS = b"mechlab.features"


def write_features(path: Path, columns: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write a table of features and what it says of itself; equal ones give equal bytes.

    Args:
        path: the file; it is replaced whole or not at all.
        columns: numbers by name, one line per feature; a line may hold several.
        facts: values that have a JSON form.

    Raises:
        UsageError: the disk is full or refuses the write; nothing is left behind.
    """
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    write_batch(path, {name: array_of(column) for name, column in columns.items()}, FACTS, text.encode())


def read_features(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the columns and the facts; the columns are the file itself, not to be written to.

    Raises:
        ArtifactError: the file is missing, truncated, damaged, or no table of features.
    """
    with opened_batch(path, FACTS, "table of features") as batch:
        facts = json.loads(batch.schema.metadata[FACTS])
        return {name: tensor_of(batch.column(name)) for name in batch.schema.names}, facts
