"""Tensors in a file: what is read is what was written, bit by bit, and equal tensors give equal bytes."""

import stat

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.tensors import read_tensors, write_tensors

DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
]
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(lambda n: n != "__metadata__")


@st.composite
def tensors(draw):
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    dtype = draw(st.sampled_from(DTYPES))
    n_bytes = torch.Size(shape).numel() * torch.empty(0, dtype=dtype).element_size()
    content = draw(st.binary(min_size=n_bytes, max_size=n_bytes))
    if dtype == torch.bool:
        return torch.tensor([byte % 2 == 1 for byte in content], dtype=torch.bool).reshape(shape)
    return torch.frombuffer(bytearray(content), dtype=dtype).reshape(shape) if content else torch.empty(shape).to(dtype)


def bits(tensor):
    return tensor.dtype, tuple(tensor.shape), tensor.contiguous().view(-1).view(torch.uint8).tolist()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, tensors(), max_size=5))
def test_any_tensors_read_back_bit_by_bit(tmp_path, written):
    path = tmp_path / "a.safetensors"
    write_tensors(path, written)
    read = read_tensors(path)
    assert list(read) == sorted(written)
    assert {name: bits(tensor) for name, tensor in read.items()} == {name: bits(t) for name, t in written.items()}


def test_the_file_is_what_safetensors_reads(tmp_path):
    tensor = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    write_tensors(tmp_path / "a.safetensors", {"a": tensor, "s": torch.tensor(3.0)})
    theirs = load_file(tmp_path / "a.safetensors")
    assert torch.equal(theirs["a"], tensor)
    assert theirs["s"].shape == ()


def test_equal_tensors_give_equal_bytes_in_any_order(tmp_path):
    values = {name: torch.arange(5.0) for name in "zyxabc"} | {"n": torch.zeros(2, dtype=torch.int64)}
    write_tensors(tmp_path / "a", values, metadata=("format", "pt"))
    write_tensors(tmp_path / "b", dict(reversed(values.items())), metadata=("format", "pt"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_views_shared_storage_and_gradients_are_stored_as_they_look(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    parameter = torch.nn.Parameter(whole.clone())
    values = {"whole": whole, "turned": whole.T, "row": whole[1], "wide": torch.ones(1).expand(5), "grad": parameter}
    write_tensors(tmp_path / "a", values)
    for name, tensor in read_tensors(tmp_path / "a").items():
        assert torch.equal(tensor, values[name])


def test_some_names_can_be_read_alone(tmp_path):
    write_tensors(tmp_path / "a", {"a": torch.zeros(1), "b": torch.ones(1)})
    assert list(read_tensors(tmp_path / "a", ["b"])) == ["b"]
    with pytest.raises(ArtifactError, match=r"no 'c': .* It holds a, b\."):
        read_tensors(tmp_path / "a", ["b", "c"])


def test_a_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_tensors(tmp_path / "a", {"a": torch.zeros(1)})
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_full_disk_leaves_the_older_file_and_nothing_else(tmp_path, file_limit, names):
    write_tensors(tmp_path / "a", {"a": torch.zeros(1)})
    with pytest.raises(UsageError, match=r"^disk is full"), file_limit(500):
        write_tensors(tmp_path / "a", {"a": torch.zeros(1000)})
    assert names(tmp_path) == ["a"]
    assert read_tensors(tmp_path / "a")["a"].shape == (1,)


def test_a_really_full_disk_leaves_nothing(tiny_disk, names):
    with pytest.raises(UsageError, match=r"^disk is full"):
        write_tensors(tiny_disk / "a", {"a": torch.zeros(100_000)})
    assert names(tiny_disk) == []


def test_a_truncated_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="truncated") as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


def test_a_header_that_lies_about_a_shape_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(100)})
    path.write_bytes(path.read_bytes().replace(b"[100]", b"[101]"))
    with pytest.raises(ArtifactError, match="tensor file cannot be read"):
        read_tensors(path)
