"""Local text: a file or a folder of .txt, .jsonl, .json, .parquet, .arrow or .csv, read as a stream."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
from datasets.exceptions import DatasetsError

from mechlab.core.config import digest
from mechlab.core.errors import UsageError
from mechlab.corpora.documents import Document

READERS = {".txt": "text", ".jsonl": "json", ".json": "json", ".parquet": "parquet", ".arrow": "arrow", ".csv": "csv"}
NOT_TEXT = {"dataset_info.json", "state.json", "dataset_dict.json"}


class TextFiles:
    """The documents of local files, in the order of their names.

    A table has a document per row. A .txt file has one per paragraph (blank lines between), or per line where its first
    megabyte has no blank line.

    Args:
        path: a file, or a folder with files of one kind.
        text_column: where a table keeps its text.

    Raises:
        UsageError: there is no such file, or a folder holds none or several kinds.
    """

    def __init__(self, path: str | Path, text_column: str = "text") -> None:
        self.path, self.text_column = Path(path), text_column
        self.files = _files(self.path)
        self.name, self._fingerprint = str(path), ""
        self.label_names: dict[str, tuple[str, ...]] = {}

    @property
    def fingerprint(self) -> str:
        """Return the hash of the files' bytes and the column, computed once."""
        if not self._fingerprint:
            hashes = [_sha256(file) for file in self.files]
            self._fingerprint = digest({"files": hashes, "text_column": self.text_column})
        return self._fingerprint

    def documents(self) -> Iterator[Document]:
        """Yield the documents.

        Raises:
            UsageError: a file is broken (says where), or a table has no such column (lists its columns).
        """
        kind = READERS[self.files[0].suffix]
        options = {"sample_by": "paragraph" if _has_blank_line(self.files[0]) else "line"} if kind == "text" else {}
        column = "text" if kind == "text" else self.text_column
        verbosity = datasets.logging.get_verbosity()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        try:
            for file in self.files:
                if file.stat().st_size:
                    yield from _documents_of(file, kind, column, options)
        finally:
            datasets.logging.set_verbosity(verbosity)


def documents_of_table(rows: Iterable[Mapping[str, Any]], column: str, name: str) -> Iterator[Document]:
    """Yield a document per row of a table; an empty cell is an empty document.

    Raises:
        UsageError: a row has no such column, or something other than text in it.
    """
    for row in rows:
        if column not in row:
            raise UsageError(f"{name} has no column", value=column, remedy=f"Its columns: {', '.join(row)}.")
        if not isinstance(text := row[column] or "", str):
            raise UsageError(f"{name} has no text in column {column!r}", value=repr(text)[:60])
        yield Document(text.strip("\n"))


def _documents_of(file: Path, kind: str, column: str, options: Mapping[str, Any]) -> Iterator[Document]:
    try:
        table = datasets.load_dataset(kind, data_files=[str(file)], split="train", streaming=True, **options)
        yield from documents_of_table(table, column, str(file))
    except UnicodeDecodeError as error:
        raise UsageError("text file is not UTF-8", value=str(file), remedy=str(error)) from None
    except (ValueError, OSError, DatasetsError) as error:
        if kind == "json":
            _point_at_broken_line(file)
        raise UsageError(f"{kind} file cannot be read", value=str(file), remedy=f"{error}") from None


def _files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix in READERS:
        return [path]
    if not path.exists():
        raise UsageError("no such file or folder", value=str(path))
    known = ", ".join(READERS)
    if path.is_file():
        raise UsageError("text file is of no known kind", value=str(path), remedy=f"Known: {known}.")
    files = sorted(file for file in path.iterdir() if file.suffix in READERS and file.name not in NOT_TEXT)
    kinds = sorted({READERS[file.suffix] for file in files})
    if len(kinds) != 1:
        found = f"It holds several kinds: {', '.join(kinds)}." if kinds else f"It holds no {known} file."
        raise UsageError("folder is no corpus", value=str(path), remedy=found)
    return files


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _has_blank_line(file: Path) -> bool:
    with file.open("rb") as stream:
        start = stream.read(1 << 20)
    return b"\n\n" in start or b"\n\r\n" in start


def _point_at_broken_line(file: Path) -> None:
    """Raise an error that names the first line that is not JSON, if there is one."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                json.loads(line or "null")
            except json.JSONDecodeError as error:
                raise UsageError("line is not JSON", value=f"{file}:{number}", remedy=f"{error.msg}.") from None
