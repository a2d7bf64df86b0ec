"""The header of a tensor file: read without the tensors, and refused when the file is not what it says."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from mechlab.core.errors import ArtifactError
from mechlab.store.safetensors_header import read_header


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int16)}, path, {"note": "x"})
    return path


def test_the_spans_are_where_the_bytes_are(path):
    header = read_header(path)
    content = path.read_bytes()
    assert {name: content[start:end] for name, (start, end) in header.spans.items()} == {
        "a": torch.arange(6.0).numpy().tobytes(),
        "b": torch.tensor([1, 2], dtype=torch.int16).numpy().tobytes(),
    }
    assert header.metadata == {"note": "x"}
    assert header.n_bytes == min(start for start, _ in header.spans.values())


def test_a_file_without_tensors_has_no_spans(tmp_path):
    save_file({}, tmp_path / "a.safetensors")
    assert read_header(tmp_path / "a.safetensors").spans == {}


def test_every_truncation_is_seen(path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ArtifactError, match=rf"^tensor file is truncated: .*\. {length} bytes instead of"):
            read_header(path)


def test_extra_bytes_are_seen(path):
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match="extra bytes"):
        read_header(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"^tensor file is missing: .*gone"):
        read_header(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".pkl", ".ckpt", ".safetensors", ""])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_whatever_it_is_called(tmp_path, suffix, zipped):
    path = tmp_path / f"weights{suffix}"
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ArtifactError, match=r"^weights are a pickle file: .* never unpickles"):
        read_header(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle_is_recognised(tmp_path, protocol):
    path = tmp_path / "a"
    path.write_bytes(pickle.dumps({"a": list(range(100))}, protocol))
    with pytest.raises(ArtifactError, match=r"^weights are a pickle file"):
        read_header(path)


def test_a_header_as_long_as_a_pickle_starts_is_no_pickle(tmp_path):
    path = tmp_path / "a.safetensors"
    text = json.dumps({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}).encode().ljust(0x280)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"xy")
    assert path.read_bytes().startswith(b"\x80\x02")
    assert read_header(path).spans == {"a": (0x288, 0x28A)}


@pytest.mark.parametrize(
    "text",
    [
        b"not json",
        b"[1, 2]",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"a": 3}',
        b'{"a": {"dtype": "F32"}}',
        b'{"a": {"data_offsets": [4, 0]}}',
        b'{"a": {"data_offsets": [-8, 0]}}',
        b'{"a": {"data_offsets": ["x", 0]}}',
        b'{"a": {"data_offsets": [0, 0, 0]}}',
    ],
)
def test_a_garbled_header_is_refused(tmp_path, text):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(ArtifactError, match="header of the tensor file is damaged"):
        read_header(path)


def test_text_is_not_a_tensor_file(tmp_path):
    (tmp_path / "a.safetensors").write_text("version https://example.org/spec/v1 of something else entirely\n")
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        read_header(tmp_path / "a.safetensors")
