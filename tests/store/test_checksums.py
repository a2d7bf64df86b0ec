"""Checksums: the same as hashlib's over the same bytes."""

import hashlib

import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.store.checksums import CHUNK_BYTES, record_file, sha256_of
from mechlab.store.safetensors_header import read_header
from mechlab.store.tensors import write_tensors


@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 3])
def test_a_file_is_hashed_whole(tmp_path, length):
    content = bytes(range(251)) * (length // 251 + 1)
    (tmp_path / "a").write_bytes(content[:length])
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content[:length]).hexdigest()


@pytest.mark.parametrize(("start", "end"), [(0, 3), (2, 7), (5, 5), (0, 10), (9, None)])
def test_a_span_is_hashed_alone(tmp_path, start, end):
    (tmp_path / "a").write_bytes(b"0123456789")
    assert sha256_of(tmp_path / "a", start, end) == hashlib.sha256(b"0123456789"[start:end]).hexdigest()


def test_a_plain_file_is_recorded_by_hash_and_size(tmp_path):
    (tmp_path / "a.html").write_bytes(b"hello")
    record = record_file(tmp_path / "a.html")
    assert (record.sha256, record.bytes) == (hashlib.sha256(b"hello").hexdigest(), 5)
    assert (record.header, record.tensors) == (None, {})


def test_a_tensor_file_is_recorded_tensor_by_tensor(tmp_path):
    path = tmp_path / "a.safetensors"
    values = {"w": torch.arange(7.0), "n": torch.tensor(3), "empty": torch.zeros(0, 2)}
    write_tensors(path, values)
    record = record_file(path)
    assert record.tensors == {name: hashlib.sha256(t.numpy().tobytes()).hexdigest() for name, t in values.items()}
    assert record.header == hashlib.sha256(path.read_bytes()[: read_header(path).n_bytes]).hexdigest()


def test_a_file_that_only_pretends_to_hold_tensors_is_not_recorded(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"hello")
    with pytest.raises(ArtifactError):
        record_file(tmp_path / "a.safetensors")
