"""An Arrow file says what it is; one of another kind, and a column refused while it is open, are one line."""

import pyarrow as pa
import pytest

from mechlab.core.errors import ArtifactError
from mechlab.store.arrow_file import opened_batch, write_batch


@pytest.fixture
def stored(tmp_path):
    write_batch(tmp_path / "a.arrow", {"n": pa.array([1, 2])}, b"kind", b"text")
    return tmp_path / "a.arrow"


def test_columns_and_the_text_under_the_mark_come_back(stored):
    with opened_batch(stored, b"kind", "list") as batch:
        assert batch.to_pydict() == {"n": [1, 2]} and batch.schema.metadata == {b"kind": b"text"}


def test_a_file_with_another_mark_or_of_several_batches_is_something_else(stored):
    with pytest.raises(ArtifactError, match="file is no list"), opened_batch(stored, b"other", "list"):
        pass
    schema = pa.schema({"n": pa.int64()}, metadata={b"kind": b""})
    with pa.ipc.new_file(str(stored), schema) as writer:
        for _ in range(2):
            writer.write_batch(pa.RecordBatch.from_pydict({"n": [1]}, schema))
    with pytest.raises(ArtifactError, match="file is no list"), opened_batch(stored, b"kind", "list"):
        pass


def test_what_is_missing_cut_or_refused_is_told_by_its_noun(stored, tmp_path):
    with pytest.raises(ArtifactError, match="list cannot be read"), opened_batch(tmp_path / "none", b"kind", "list"):
        pass
    with pytest.raises(ArtifactError, match=r"list is damaged.*odd"), opened_batch(stored, b"kind", "list"):
        raise pa.ArrowInvalid("odd")
    stored.write_bytes(stored.read_bytes()[:-9])
    with pytest.raises(ArtifactError, match="list is damaged"), opened_batch(stored, b"kind", "list"):
        pass
