"""Edits of components come back from their file as they were written; other and damaged files are refused."""

import pytest
import torch

from mechlab.core.errors import ArtifactError
from mechlab.store.component_edits import read_component_edits, write_component_edits
from mechlab.store.tensors import write_tensors

EDITS = [{"circuit": "ov", "layer": 1, "factor": 0.5}, {"circuit": "qk", "layer": 0, "factor": 2.0}]


def test_they_come_back_and_equal_edits_are_equal_bytes(tmp_path):
    directions = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for name in ("one.safetensors", "two.safetensors"):
        write_component_edits(tmp_path / name, "abc", EDITS, directions)
    model, edits, found = read_component_edits(tmp_path / "one.safetensors")
    assert (model, edits) == ("abc", EDITS) and torch.equal(found, directions)
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


def test_a_file_of_something_else_or_with_other_directions_is_refused(tmp_path):
    path = tmp_path / "edits.safetensors"
    write_tensors(path, {"directions": torch.zeros(2, 8)})
    with pytest.raises(ArtifactError, match="holds no edits"):
        read_component_edits(path)
    write_component_edits(path, "abc", EDITS, torch.zeros(3, 8))
    with pytest.raises(ArtifactError, match="damaged"):
        read_component_edits(path)
    write_tensors(path, {"directions": torch.zeros(2, 8)}, ("component_edits", "{}"))
    with pytest.raises(ArtifactError, match="damaged"):
        read_component_edits(path)
