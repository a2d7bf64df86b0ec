"""Arrow files of one batch, marked with what they are: written whole, opened unread, damage told in one line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.store.disk import replacing


def write_batch(path: Path, arrays: Mapping[str, pa.Array], mark: bytes, text: bytes) -> None:
    """Write columns of one length, and a text under the mark that says what the file is.

    Raises:
        UsageError: the disk is full or refuses the write; nothing is left behind.
    """
    batch = pa.RecordBatch.from_pydict(dict(arrays), metadata={mark: text})
    with replacing(path) as temporary, pa.ipc.new_file(str(temporary), batch.schema) as writer:
        writer.write_batch(batch)


@contextmanager
def opened_batch(path: Path, mark: bytes, noun: str) -> Iterator[pa.RecordBatch]:
    """Yield the batch of a file that has the mark; the columns are the file itself, not to be written to.

    Raises:
        ArtifactError: the file is missing, truncated, damaged or something else, or a column is refused in the block;
            the message calls it by the noun.
    """
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if mark not in (reader.schema.metadata or {}) or reader.num_record_batches != 1:
            raise ArtifactError(f"file is no {noun}", value=str(path), remedy="It is another Arrow file.")
        batch = reader.get_batch(0)
        batch.validate()
        yield batch
    except FileNotFoundError:
        raise ArtifactError(f"{noun} cannot be read", value=str(path), remedy="There is no such file.") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ArtifactError(f"{noun} is damaged", value=str(path), remedy=f"{error}.") from None


def array_of(table: Tensor) -> pa.Array:
    """Return a column of numbers, or of lists of one length where a line of the table holds several."""
    numbers = pa.array(table.cpu().contiguous().flatten().numpy())
    return numbers if table.ndim == 1 else pa.FixedSizeListArray.from_arrays(numbers, table.shape[1:].numel())


def tensor_of(column: pa.Array) -> Tensor:
    """Return what `array_of` made a column of, with at most two axes; it is the file itself, not to be written to.

    Raises:
        ArrowTypeError: the column holds no numbers.
    """
    width = column.type.list_size if pa.types.is_fixed_size_list(column.type) else None
    numbers = column if width is None else column.flatten()
    if not (pa.types.is_integer(numbers.type) or pa.types.is_floating(numbers.type)):
        raise pa.ArrowTypeError(f"a table holds {numbers.type}, not numbers")
    found = torch.from_dlpack(numbers)
    return found if width is None else found.view(-1, width)
