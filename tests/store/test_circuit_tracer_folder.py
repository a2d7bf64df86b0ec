"""A set of transcoders on disk: as circuit-tracer lays it out, every layer there, or one line."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from mechlab.core.errors import ArtifactError, ConfigError
from mechlab.store.circuit_tracer_folder import read_transcoders, write_transcoders

CONFIG = {"model_name": "some/model", "model_kind": "transcoder_set", "feature_input_hook": "hook_resid_mid"}


def layers(n: int) -> list[dict[str, torch.Tensor]]:
    return [{"W_enc": torch.full((3, 2), float(i)), "b_enc": torch.arange(3.0)} for i in range(n)]


def test_it_is_one_file_per_layer_and_a_config_that_yaml_reads(tmp_path: Path) -> None:
    write_transcoders(tmp_path, CONFIG, layers(11))
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == CONFIG
    assert torch.equal(load_file(tmp_path / "layer_10.safetensors")["W_enc"], torch.full((3, 2), 10.0))
    config, found = read_transcoders(tmp_path)
    assert config == CONFIG
    assert [layer["W_enc"][0, 0].item() for layer in found] == list(range(11))


def test_a_gap_in_the_layers_is_refused(tmp_path: Path) -> None:
    write_transcoders(tmp_path, CONFIG, layers(3))
    (tmp_path / "layer_1.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"layers are missing.*layer_0, layer_2"):
        read_transcoders(tmp_path)


def test_another_kind_of_folder_is_refused(tmp_path: Path) -> None:
    write_transcoders(tmp_path, {**CONFIG, "model_kind": "cross_layer_transcoder"}, layers(1))
    with pytest.raises(ArtifactError, match=r"no set of transcoders.*cross_layer_transcoder"):
        read_transcoders(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_transcoders(tmp_path / "nowhere")
