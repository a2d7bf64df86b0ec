"""Files appear whole or not at all."""

import errno
import json
from pathlib import Path

import pytest

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.disk import explained, read_json, replacing, write_bytes, write_json


def test_a_file_replaces_the_older_one_and_leaves_nothing_beside_it(tmp_path, names):
    path = tmp_path / "deep" / "a"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["a"]


def test_the_older_file_stands_until_the_block_ends(tmp_path):
    path = tmp_path / "a"
    write_bytes(path, b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_block_that_fails_leaves_the_older_file_and_nothing_else(tmp_path, names):
    path = tmp_path / "a"
    write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_we_go_on(tmp_path, synced):
    write_bytes(tmp_path / "a", b"new")
    assert synced == [str(tmp_path / ".a.tmp"), str(tmp_path)]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, file_limit, names):
    path = tmp_path / "a"
    with pytest.raises(UsageError, match=r"^disk is full, cannot write") as caught, file_limit(100):
        write_bytes(path, bytes(1000))
    assert str(path) in str(caught.value)
    assert names(tmp_path) == []


def test_a_really_full_disk_keeps_the_older_file(tiny_disk, names):
    write_bytes(tiny_disk / "a", b"old")
    with pytest.raises(UsageError, match="disk is full"):
        write_bytes(tiny_disk / "a", bytes(200_000))
    assert names(tiny_disk) == ["a"]
    assert (tiny_disk / "a").read_bytes() == b"old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_way_a_disk_is_full_is_called_so(number):
    with pytest.raises(UsageError, match="disk is full"), explained(Path("x")):
        raise OSError(number, "words")


def test_another_refusal_is_told_in_the_systems_words(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"^cannot write: '.*b'\. (Not a directory|File exists)\.$"):
        write_bytes(tmp_path / "file" / "b", b"")


def test_json_has_sorted_keys_and_reads_back(tmp_path):
    write_json(tmp_path / "a.json", {"b": 0.1, "a": "naïve"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "a": "naïve",\n  "b": 0.1\n}\n'
    assert read_json(tmp_path / "a.json", "thing") == {"a": "naïve", "b": 0.1}


def test_json_refuses_what_other_readers_could_not_read(tmp_path, names):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", json.dumps("text").encode()])
def test_a_damaged_json_file_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"^thing is damaged"):
        read_json(tmp_path / "a.json", "thing")


def test_a_missing_json_file_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"^thing cannot be read: .*No such file"):
        read_json(tmp_path / "a.json", "thing")
