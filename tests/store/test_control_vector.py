"""Control vectors are what repeng writes with the reference library, and refused where llama.cpp would refuse them."""

import gguf
import pytest
import torch

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.control_vector import read_control_vector, write_control_vector
from mechlab.store.gguf_file import write_gguf

DIRECTIONS = {layer: torch.randn(6, generator=torch.Generator().manual_seed(layer)) for layer in (12, 3, 1)}
ARCHITECTURE = {"general.architecture": "controlvector"}


def as_repeng_writes(path, directions) -> None:
    """Write with the calls repeng makes: model hint, number of directions, one tensor a layer."""
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", "gpt2")
    writer.add_uint32("controlvector.layer_count", len(directions))
    for layer, vector in directions.items():
        writer.add_tensor(f"direction.{layer}", vector.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_it_is_byte_for_byte_repeng_s(tmp_path):
    write_control_vector(tmp_path / "ours", "gpt2", DIRECTIONS)
    as_repeng_writes(tmp_path / "theirs", dict(sorted(DIRECTIONS.items())))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_repeng_s_layers_come_back_by_their_numbers_layer_0_included(tmp_path):
    given = {**DIRECTIONS, 0: torch.ones(6)}
    as_repeng_writes(tmp_path / "theirs", given)
    found = read_control_vector(tmp_path / "theirs")
    assert found.model_hint == "gpt2" and list(found.directions) == [0, 1, 3, 12]
    assert all(torch.equal(found.directions[layer], given[layer]) for layer in given)


def test_without_a_hint_or_with_other_tensors_directions_are_read_all_the_same(tmp_path):
    write_gguf(tmp_path / "one", ARCHITECTURE, {"direction.2": torch.ones(3), "other": torch.ones(9)})
    found = read_control_vector(tmp_path / "one")
    assert found.model_hint == "" and list(found.directions) == [2]


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        ({}, "no direction for these layers: 'none'"),
        ({0: torch.ones(3), 1: torch.ones(3)}, "no direction for these layers: '0, 1'. .*llama.cpp adds nothing"),
        ({1: torch.ones(3), 2: torch.ones(4)}, "different widths"),
        ({1: torch.tensor([1.0, torch.nan])}, "not finite"),
    ],
)
def test_what_llama_cpp_would_not_add_is_not_written(directions, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        write_control_vector(tmp_path / "one", "gpt2", directions)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "vectors", "message"),
    [
        (
            {"general.architecture": "llama"},
            {"direction.1": torch.ones(2)},
            "no control vector: .*architecture 'llama'",
        ),
        ({}, {"direction.1": torch.ones(2)}, "no control vector: .*names no architecture"),
        (ARCHITECTURE, {}, "has no direction"),
        (ARCHITECTURE, {"direction.x": torch.ones(2)}, "names no layer, 'direction.x'"),
        (ARCHITECTURE, {"direction.-1": torch.ones(2)}, "names no layer"),
        (ARCHITECTURE, {"direction.01": torch.ones(2)}, "names no layer"),
        (ARCHITECTURE, {"direction.1": torch.ones(2), "direction.2": torch.ones(3)}, "different widths"),
        (ARCHITECTURE, {"direction.1": torch.tensor([torch.inf])}, "not finite"),
    ],
)
def test_files_that_are_no_control_vector_are_refused(values, vectors, message, tmp_path):
    write_gguf(tmp_path / "one", values, vectors)
    with pytest.raises(ArtifactError, match=message) as caught:
        read_control_vector(tmp_path / "one")
    assert "\n" not in str(caught.value)
