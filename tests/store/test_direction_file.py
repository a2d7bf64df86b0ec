"""Directions come back from their file as they were written; changed, damaged and other files are refused."""

import json

import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.store.direction_file import KEY, read_direction_file, write_direction_file
from mechlab.store.safetensors_header import read_header
from mechlab.store.tensors import write_tensors

DESCRIBED = [{"name": "one", "scale": 0.1, "facts": {"n": 3}}, {"name": "two", "scale": 2.0}]
VECTORS = [torch.randn(8, generator=torch.Generator().manual_seed(0)), torch.ones(3)]


def test_they_come_back_in_order_and_equal_directions_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_direction_file(tmp_path / name, DESCRIBED * 6, VECTORS * 6)
    found = read_direction_file(tmp_path / "a")
    assert [one for one, _ in found] == DESCRIBED * 6
    assert all(torch.equal(vector, wanted) for (_, vector), wanted in zip(found, VECTORS * 6, strict=True))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_changed_number_or_word_is_noticed(tmp_path):
    path = tmp_path / "one"
    write_direction_file(path, DESCRIBED, VECTORS)
    whole = path.read_bytes()
    first = read_header(path).n_bytes
    path.write_bytes(whole[:first] + bytes([whole[first] ^ 1]) + whole[first + 1 :])
    with pytest.raises(ArtifactError, match="directions were changed"):
        read_direction_file(path)
    path.write_bytes(whole.replace(b'\\"one\\"', b'\\"onf\\"'))
    with pytest.raises(ArtifactError, match="directions were changed"):
        read_direction_file(path)


def test_files_of_something_else_or_of_another_format_are_refused(tmp_path):
    path = tmp_path / "one"
    with pytest.raises(ArtifactError, match="missing"):
        read_direction_file(path)
    path.write_bytes(b"PK\x03\x04" + bytes([255] * 100))
    with pytest.raises(ArtifactError, match="pickle"):
        read_direction_file(path)
    write_tensors(path, {"direction.00000000": VECTORS[0]})
    with pytest.raises(ArtifactError, match="holds no directions"):
        read_direction_file(path)
    for text in ("{", "[]", '{"directions": 3, "format": 1, "sha256": ""}', '{"directions": [3], "format": 1}'):
        write_tensors(path, {"direction.00000000": VECTORS[0]}, (KEY, text))
        with pytest.raises(ArtifactError, match="damaged"):
            read_direction_file(path)
    write_tensors(path, {}, (KEY, json.dumps({"directions": DESCRIBED, "format": 1, "sha256": ""})))
    with pytest.raises(ArtifactError, match="damaged"):
        read_direction_file(path)
    write_tensors(path, {}, (KEY, json.dumps({"directions": [], "format": 2, "sha256": ""})))
    with pytest.raises(ArtifactError, match=r"of another format: .*: 2'. This mechlab reads format 1"):
        read_direction_file(path)
