"""GGUF files are byte for byte the reference library's and read as it reads them; hostile ones cost one line."""

import random
import struct
import tracemalloc

import gguf
import numpy as np
import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.store.gguf_file import read_gguf, write_gguf

VALUES = {"general.architecture": "controlvector", "controlvector.model_hint": "llama", "some.count": 7}
VECTORS = {f"direction.{n}": torch.randn(5 + n, generator=torch.Generator().manual_seed(n)) for n in (1, 2, 30)}


def reference(path, alignment: int | None = None, extra=lambda writer: None) -> None:
    """Write the same with the reference library."""
    writer = gguf.GGUFWriter(path, "controlvector")
    if alignment is not None:
        writer.add_custom_alignment(alignment)
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("some.count", 7)
    extra(writer)
    for name, vector in VECTORS.items():
        writer.add_tensor(name, vector.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def assert_same(found: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(VECTORS)
    assert all(torch.equal(found[name], VECTORS[name]) for name in VECTORS)


def test_a_file_is_byte_for_byte_what_the_reference_library_writes(tmp_path):
    write_gguf(tmp_path / "ours", VALUES, VECTORS)
    reference(tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_the_reference_library_reads_what_is_written_and_so_do_we(tmp_path):
    path = tmp_path / "ours"
    write_gguf(path, VALUES, VECTORS)
    theirs = gguf.GGUFReader(path)
    assert_same({one.name: torch.from_numpy(np.array(one.data)) for one in theirs.tensors})
    assert theirs.get_field("controlvector.model_hint").contents() == "llama"
    assert theirs.get_field("some.count").contents() == 7
    ours = read_gguf(path)
    assert ours.values == VALUES
    assert_same(ours.vectors)


@pytest.mark.parametrize("alignment", [None, 8, 64, 256])
def test_files_of_the_reference_library_are_read_whatever_else_they_hold(tmp_path, alignment):
    def extra(writer):
        writer.add_array("names", ["a", "bc", ""])
        writer.add_array("numbers", [1, 2, 3])
        writer.add_float64("share", 0.25)
        writer.add_bool("yes", True)
        writer.add_int8("less", -3)

    path = tmp_path / "theirs"
    reference(path, alignment, extra)
    found = read_gguf(path)
    assert_same(found.vectors)
    rest = {"share": 0.25, "yes": True, "less": -3}
    assert {name: found.values.get(name) for name in (*VALUES, *rest)} == VALUES | rest
    assert "names" not in found.values and "numbers" not in found.values


def test_every_truncation_is_refused_up_to_the_last_number(tmp_path):
    path = tmp_path / "one"
    write_gguf(path, VALUES, VECTORS)
    whole = path.read_bytes()
    last = len(whole) - (-4 * len(VECTORS["direction.30"]) % 32)
    for length in range(last):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError) as caught:
            read_gguf(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole[:last])
    assert_same(read_gguf(path).vectors)


def test_whatever_bytes_are_changed_the_answer_is_a_value_or_one_line(tmp_path):
    path, draw = tmp_path / "one", random.Random(0)
    write_gguf(path, VALUES, VECTORS)
    whole = path.read_bytes()
    refused = 0
    for _ in range(3000):
        changed = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            changed[draw.randrange(300)] = draw.choice((0, 1, 8, 9, 127, 128, 255, draw.randrange(256)))
        path.write_bytes(changed)
        try:
            read_gguf(path)
        except ArtifactError:
            refused += 1
    assert refused > 1000


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def header(n_tensors: int = 0, n_values: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_values)


def tensor(name: str, length: int, begin: int, kind: int = 0, dimensions: int = 1) -> bytes:
    sizes = struct.pack(f"<{dimensions}Q", *[length] * dimensions)
    return text(name) + struct.pack("<I", dimensions) + sizes + struct.pack("<IQ", kind, begin)


def aligned(value: int) -> bytes:
    return header(1, 1) + text("general.alignment") + struct.pack("<II", 4, value) + tensor("a", 1, 0) + bytes(64)


HUGE = 2**62
HOSTILE = {
    "not a GGUF file": b"PK\x03\x04" + bytes(100),
    "of version 1,": header(version=1) + bytes(64),
    "of version 4,": header(version=4) + bytes(64),
    "other byte order": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "truncated or damaged#values": header(0, HUGE) + bytes(64),
    "truncated or damaged#tensors": header(HUGE, 0) + bytes(64),
    "truncated or damaged#all": header(2**64 - 1, 2**64 - 1),
    "truncated or damaged#text": header(0, 1) + struct.pack("<Q", HUGE) + bytes(64),
    "truncated or damaged#list": header(0, 1) + text("a") + struct.pack("<IIQ", 9, 12, 2**61) + bytes(64),
    "truncated or damaged#texts": header(0, 1) + text("a") + struct.pack("<IIQ", 9, 8, 2**61) + bytes(64),
    "truncated or damaged#length": header(1, 0) + tensor("a", 2**62, 0) + bytes(64),
    "truncated or damaged#begin": header(1, 0) + tensor("a", 4, 2**63) + bytes(64),
    "truncated or damaged#crooked": header(1, 0) + tensor("a", 1, 4) + bytes(64),
    "truncated or damaged#shared": header(2, 0) + tensor("a", 8, 0) + tensor("b", 8, 0) + bytes(128),
    "truncated or damaged#overlap": header(2, 0) + tensor("a", 12, 0) + tensor("b", 8, 32) + bytes(128),
    "is damaged": header(0, 1) + struct.pack("<Q", 2) + b"\xff\xfe" + bytes(64),
    "of unknown type#13": header(0, 1) + text("a") + struct.pack("<I", 13) + bytes(64),
    "of unknown type#nested": header(0, 1) + text("a") + struct.pack("<IIQ", 9, 9, 1) + bytes(64),
    "two values called 'a'": header(0, 2) + 2 * (text("a") + struct.pack("<II", 4, 1)),
    "two tensors called 'a'": header(2, 0) + tensor("a", 1, 0) + tensor("a", 1, 32) + bytes(128),
    "no vector, 'a'": header(1, 0) + tensor("a", 1, 0, dimensions=2) + bytes(64),
    "no vector, 'b'": header(1, 0) + text("b") + struct.pack("<I", 2**32 - 1) + bytes(64),
    "not float32, 'a'": header(1, 0) + tensor("a", 1, 0, kind=1) + bytes(64),
    "alignment of 0": aligned(0),
    "alignment of 24": aligned(24),
    "alignment of 2147483648": aligned(2**31),
}


@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_files_are_refused_in_one_line_and_nothing_is_made_for_them(said, tmp_path):
    path = tmp_path / "one"
    path.write_bytes(HOSTILE[said])
    tracemalloc.start()
    with pytest.raises(ArtifactError, match=said.partition("#")[0]) as caught:
        read_gguf(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value) and peak < 3_000_000


def test_a_large_file_is_held_once(tmp_path):
    path = tmp_path / "one"
    write_gguf(path, VALUES, {"direction.1": torch.zeros(2_000_000)})
    tracemalloc.start()
    read_gguf(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.05 * path.stat().st_size


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ArtifactError, match="GGUF file is missing"):
            read_gguf(path)
