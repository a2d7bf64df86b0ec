"""An index on disk: read back bit by bit without being read, any Arrow reader opens it, and damage is one line."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.code_index import FACTS, read_code_index, write_code_index

COLUMNS = {
    "row": torch.arange(6, dtype=torch.int32) // 2,
    "mlp_out.1": torch.arange(-1, 17, dtype=torch.int16).view(6, 3),
    "z.0": torch.arange(12, dtype=torch.int32).view(2, 6).T,
}
WORDS = {"rows": "é", "totals": {"z.0": [1, 2]}}


@pytest.fixture
def stored(tmp_path):
    write_code_index(tmp_path / "codes.arrow", COLUMNS, WORDS)
    return tmp_path / "codes.arrow"


def test_what_is_read_is_what_was_written(stored):
    columns, facts = read_code_index(stored)
    assert list(columns) == list(COLUMNS) and facts == WORDS
    for name, table in COLUMNS.items():
        assert columns[name].dtype == table.dtype and torch.equal(columns[name], table)


def test_equal_tables_give_equal_bytes(stored, tmp_path):
    write_code_index(tmp_path / "again", COLUMNS, dict(reversed(WORDS.items())))
    assert (tmp_path / "again").read_bytes() == stored.read_bytes()


def test_any_arrow_reader_opens_it_as_a_table_of_tokens(stored):
    with pa.memory_map(str(stored)) as file:
        table = pa.ipc.open_file(file).read_all()
    assert table.num_rows == 6
    assert np.array_equal(table["mlp_out.1"].to_pylist(), COLUMNS["mlp_out.1"].tolist())


def test_opening_it_reads_no_table(tmp_path):
    write_code_index(tmp_path / "a", {"big": torch.zeros(1 << 16, 64, dtype=torch.int16)}, {})
    before = pa.total_allocated_bytes()
    columns, _ = read_code_index(tmp_path / "a")
    assert pa.total_allocated_bytes() - before < 1 << 16
    assert columns["big"].shape == (1 << 16, 64)


def test_the_tables_outlive_the_name_of_the_file(stored):
    columns, _ = read_code_index(stored)
    stored.unlink()
    assert torch.equal(columns["z.0"], COLUMNS["z.0"])


def test_a_missing_file_is_told_in_one_line(tmp_path):
    with pytest.raises(ArtifactError, match=r"cannot be read: .*nothing.*no such file"):
        read_code_index(tmp_path / "nothing")


@pytest.mark.parametrize("kept", [0, 7, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(stored, kept):
    content = stored.read_bytes()
    stored.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(ArtifactError, match="index of codes is damaged") as caught:
        read_code_index(stored)
    assert "\n" not in str(caught.value)


def test_facts_that_are_not_json_are_refused(tmp_path):
    batch = pa.RecordBatch.from_pydict({"row": pa.array([1])}, metadata={FACTS: b"{"})
    with pa.ipc.new_file(str(tmp_path / "a"), batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(ArtifactError, match="damaged"):
        read_code_index(tmp_path / "a")


@pytest.mark.parametrize("column", [pa.array([1, None]), pa.array(["a", "b"]), pa.array([1.5, 2.5])])
def test_columns_that_hold_no_whole_numbers_are_refused(tmp_path, column):
    batch = pa.RecordBatch.from_pydict({"row": column}, metadata={FACTS: b"{}"})
    with pa.ipc.new_file(str(tmp_path / "a"), batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(ArtifactError, match="damaged"):
        read_code_index(tmp_path / "a")


def test_a_file_of_several_parts_is_no_index(tmp_path):
    batch = pa.RecordBatch.from_pydict({"row": pa.array([1])}, metadata={FACTS: b"{}"})
    with pa.ipc.new_file(str(tmp_path / "a"), batch.schema) as writer:
        writer.write_batch(batch)
        writer.write_batch(batch)
    with pytest.raises(ArtifactError, match="no index of codes"):
        read_code_index(tmp_path / "a")


def test_another_arrow_file_is_no_index(tmp_path):
    batch = pa.RecordBatch.from_pydict({"text": pa.array(["a"])})
    with pa.ipc.new_file(str(tmp_path / "a"), batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(ArtifactError, match="no index of codes"):
        read_code_index(tmp_path / "a")


def test_a_full_disk_leaves_the_older_file_and_nothing_else(stored, file_limit, names):
    with pytest.raises(UsageError, match=r"^disk is full"), file_limit(500):
        write_code_index(stored, {"big": torch.zeros(4000, dtype=torch.int16)}, {})
    assert names(stored.parent) == ["codes.arrow"]
    assert read_code_index(stored)[1] == WORDS
