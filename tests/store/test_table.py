"""Tables come back as they were written, any Arrow reader opens them, and other or damaged files are refused."""

import pyarrow as pa
import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.store.table import read_table, write_table

COLUMNS = {"layer": torch.arange(3, dtype=torch.int32), "z": torch.tensor([0.5, -1.0, 2.0]), "mode": ["q", "k", "é"]}


def test_columns_come_back_and_equal_tables_are_equal_bytes(tmp_path):
    for name in ("one.arrow", "two.arrow"):
        write_table(tmp_path / name, COLUMNS)
    found = read_table(tmp_path / "one.arrow")
    assert list(found) == list(COLUMNS) and found["mode"] == COLUMNS["mode"]
    for name in ("layer", "z"):
        assert torch.equal(found[name], COLUMNS[name]) and found[name].dtype == COLUMNS[name].dtype
    assert (tmp_path / "one.arrow").read_bytes() == (tmp_path / "two.arrow").read_bytes()
    assert pa.ipc.open_file(str(tmp_path / "one.arrow")).read_all().to_pydict()["layer"] == [0, 1, 2]


def test_a_missing_a_cut_and_a_foreign_file_are_refused(tmp_path):
    path = tmp_path / "table.arrow"
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_table(path)
    write_table(path, COLUMNS)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ArtifactError, match="table is damaged"):
        read_table(path)
    batch = pa.RecordBatch.from_pydict({"a": pa.array([1])})
    with pa.ipc.new_file(str(path), batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(ArtifactError, match="file is no table"):
        read_table(path)
