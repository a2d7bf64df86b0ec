"""Local files: every format gives the same documents, every broken one a line that says where."""

import json
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from mechlab.core.errors import UsageError
from mechlab.corpora.text_files import TextFiles

TEXTS = ["Once there was a cat.", "It sat, on a mat.\nThen it left.", 'She said "no".']
ROWS = [{"text": text, "n": n} for n, text in enumerate(TEXTS)]


def _arrow_folder(path: Path) -> Path:
    datasets.Dataset.from_list(ROWS).save_to_disk(path)
    return path


def _with(name: str, write: Callable[[datasets.Dataset, Path], object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write(datasets.Dataset.from_list(ROWS), folder / name)
        return folder / name

    return make


FORMATS: dict[str, Callable[[Path], Path]] = {
    "jsonl": _with("a.jsonl", lambda table, path: table.to_json(path)),
    "json": _with("a.json", lambda table, path: path.write_text(json.dumps(ROWS))),
    "parquet": _with("a.parquet", lambda table, path: table.to_parquet(path)),
    "csv": _with("a.csv", lambda table, path: table.to_csv(path, index=False)),
    "arrow folder": lambda folder: _arrow_folder(folder / "saved"),
    "txt": _with("a.txt", lambda table, path: path.write_text("\n\n".join(TEXTS) + "\n")),
}


def texts(path: Path, column: str = "text") -> list[str]:
    return [document.text for document in TextFiles(path, column).documents()]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_documents_on_every_pass(kind: str, tmp_path: Path):
    corpus = TextFiles(FORMATS[kind](tmp_path))
    for _ in range(2):
        assert [document.text for document in corpus.documents()] == TEXTS
    assert corpus.label_names == {}


def test_a_text_without_blank_lines_has_a_document_per_line(tmp_path: Path):
    (tmp_path / "a.txt").write_text("first line\nsecond line\n")
    assert texts(tmp_path / "a.txt") == ["first line", "second line"]


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path):
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": name}) + "\n")
    (tmp_path / "notes.md").write_text("not a corpus")
    (tmp_path / "empty.jsonl").write_text("")
    assert texts(tmp_path) == ["a", "b", "c"]


def test_another_column_can_hold_the_text_and_an_empty_cell_is_an_empty_document(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text('{"story": "one"}\n{"story": null}\n')
    assert texts(tmp_path / "a.jsonl", "story") == ["one", ""]


def test_a_missing_column_lists_the_columns(tmp_path: Path):
    path = FORMATS["parquet"](tmp_path)
    with pytest.raises(UsageError, match=r"a\.parquet has no column: 'story'\. Its columns: text, n\."):
        texts(path, "story")


def test_a_column_of_numbers_is_no_text(tmp_path: Path):
    with pytest.raises(UsageError, match="has no text in column 'n': '1'"):
        texts(FORMATS["csv"](tmp_path), "n")


@pytest.mark.parametrize("n_good", [2, 50_000])
def test_a_broken_line_is_named_by_file_and_number_and_nothing_else_is_printed(
    n_good: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    path = tmp_path / "a.jsonl"
    path.write_text(('{"text": "' + "word " * 20 + '"}\n') * n_good + '{"text": oops}\n{"text": "three"}\n')
    with pytest.raises(UsageError, match=rf"line is not JSON: '{path}:{n_good + 1}'"):
        texts(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"caf\xe9 au lait", "not UTF-8"),
        ("a.jsonl", b'{"text": "caf\xe9"}', "a.jsonl"),
        ("a.parquet", b"no parquet", "parquet file cannot be read"),
        ("a.arrow", b"no arrow", "arrow file cannot be read"),
        ("a.md", b"text", "no known kind"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(name: str, content: bytes, message: str, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        texts(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_folders_without_texts_or_with_several_kinds_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no"):
        TextFiles(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.csv").write_text("text\nx\n")
    with pytest.raises(UsageError, match="several kinds: csv, text"):
        TextFiles(tmp_path)
    with pytest.raises(UsageError, match="no such file"):
        TextFiles(tmp_path / "absent")


def test_the_fingerprint_follows_the_bytes_and_the_column_not_the_place(tmp_path: Path):
    first, moved, other = tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt"
    for path, text in ((first, "same"), (moved, "same"), (other, "different")):
        path.write_text(text)
    assert TextFiles(first).fingerprint == TextFiles(moved).fingerprint
    assert len({TextFiles(first).fingerprint, TextFiles(other).fingerprint, TextFiles(first, "x").fingerprint}) == 3
