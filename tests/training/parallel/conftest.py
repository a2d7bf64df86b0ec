"""Every kind trained by two processes in every way it supports, once per session."""

import json
from typing import NamedTuple

import pytest
import small_crew
from safetensors.torch import load_file
from torch import Tensor


class Trained(NamedTuple):
    """What training left: the dictionary's tensors and how many features are dead, and the log."""

    tensors: dict[str, Tensor]
    log: list[dict[str, float]]


@pytest.fixture(scope="session")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """Return what two real processes made of every case."""
    folder = tmp_path_factory.mktemp("by two")
    for code, out, err in small_crew.outputs(small_crew.start(2, small_crew.__file__, folder)):
        assert (code, out) == (0, ""), err
    stored = sorted(folder.glob("*.safetensors"))
    return {path.stem: Trained(load_file(path), json.loads(path.with_suffix(".json").read_text())) for path in stored}
