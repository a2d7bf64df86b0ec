"""A judge's answers survive the disk; whatever else is there is refused in one line."""

import pytest

from mechlab.core.errors import ArtifactError
from mechlab.store.answers_file import read_answers, write_answers


def test_answers_survive_and_equal_ones_give_equal_bytes(tmp_path):
    write_answers(tmp_path / "a.json", {"b": 1.0, "a": 0.5})
    write_answers(tmp_path / "b.json", {"a": 0.5, "b": 1.0})
    assert read_answers(tmp_path / "a.json") == {"a": 0.5, "b": 1.0}
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("text", ["[1]", '{"a": 2}', '{"a": "x"}', '{"a": NaN}', "{", "3"])
def test_what_holds_no_answers_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArtifactError):
        read_answers(tmp_path / "a.json")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"a\.json"):
        read_answers(tmp_path / "a.json")
