"""A table of features on disk: read back bit by bit, equal tables give equal bytes, and damage is one line."""

import pyarrow as pa
import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.store.code_index import write_code_index
from mechlab.store.feature_table import FACTS, read_features, write_features

COLUMNS = {
    "fires": torch.arange(5),
    "mean": torch.tensor([0.5, float("nan"), -1.0, 0.0, 1e-30], dtype=torch.float64),
    "values": torch.arange(15, dtype=torch.float32).view(5, 3) / 7,
    "tokens": torch.arange(10, dtype=torch.int32).view(2, 5).T,
}
WORDS = {"site": "mlp_out.1", "texts": ["é", "\n"]}


@pytest.fixture
def stored(tmp_path):
    write_features(tmp_path / "features.arrow", COLUMNS, WORDS)
    return tmp_path / "features.arrow"


def test_what_is_read_is_what_was_written(stored):
    columns, facts = read_features(stored)
    assert list(columns) == list(COLUMNS) and facts == WORDS
    for name, table in COLUMNS.items():
        assert columns[name].dtype == table.dtype
        torch.testing.assert_close(columns[name], table.contiguous(), rtol=0, atol=0, equal_nan=True)


def test_equal_tables_give_equal_bytes(stored, tmp_path):
    write_features(tmp_path / "again", COLUMNS, dict(reversed(WORDS.items())))
    assert (tmp_path / "again").read_bytes() == stored.read_bytes()


def test_any_arrow_reader_opens_it_as_a_table_of_features(stored):
    with pa.memory_map(str(stored)) as file:
        table = pa.ipc.open_file(file).read_all()
    assert table.num_rows == 5 and FACTS in table.schema.metadata
    assert table.column("values")[2].as_py() == pytest.approx([6 / 7, 1, 8 / 7])


def test_a_damaged_file_is_refused_in_one_line(stored):
    stored.write_bytes(stored.read_bytes()[:200])
    with pytest.raises(ArtifactError, match="table of features is damaged"):
        read_features(stored)


def test_another_arrow_file_is_no_table_of_features(tmp_path):
    write_code_index(tmp_path / "codes.arrow", {"row": torch.arange(3)}, {})
    with pytest.raises(ArtifactError, match="file is no table of features"):
        read_features(tmp_path / "codes.arrow")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="no such file"):
        read_features(tmp_path / "nothing")
