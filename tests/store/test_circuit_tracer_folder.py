"""A set of transcoders on disk: as circuit-tracer lays it out, every layer there, or one line."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from mechlab.core.errors import ArtifactError, ConfigError
from mechlab.store.circuit_tracer_folder import find_transcoders, is_crosslayer, read_crosslayer, write_transcoders
from mechlab.store.tensors import write_tensors

CONFIG = {"model_name": "some/model", "model_kind": "transcoder_set", "feature_input_hook": "hook_resid_mid"}


def layers(n: int) -> list[dict[str, torch.Tensor]]:
    return [{"W_enc": torch.full((3, 2), float(i)), "b_enc": torch.arange(3.0)} for i in range(n)]


def test_it_is_one_file_per_layer_and_a_config_that_yaml_reads(tmp_path: Path) -> None:
    write_transcoders(tmp_path, CONFIG, layers(11))
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == CONFIG
    assert torch.equal(load_file(tmp_path / "layer_10.safetensors")["W_enc"], torch.full((3, 2), 10.0))
    config, found = find_transcoders(tmp_path)
    assert config == CONFIG
    assert [load_file(file)["W_enc"][0, 0].item() for file in found] == list(range(11))


def test_a_gap_in_the_layers_is_refused(tmp_path: Path) -> None:
    write_transcoders(tmp_path, CONFIG, layers(3))
    (tmp_path / "layer_1.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"layers are missing.*layer_0, layer_2"):
        find_transcoders(tmp_path)


def test_another_kind_of_folder_is_refused(tmp_path: Path) -> None:
    write_transcoders(tmp_path, {**CONFIG, "model_kind": "cross_layer_transcoder"}, layers(1))
    with pytest.raises(ArtifactError, match=r"no set of transcoders.*cross_layer_transcoder"):
        find_transcoders(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        find_transcoders(tmp_path / "nowhere")


def test_files_of_a_cross_layer_transcoder_are_read_by_name(tmp_path: Path) -> None:
    files = {
        f"W_{side}_{layer}.safetensors": {f"W_{side}_{layer}": torch.rand(2, 3)}
        for side in ("enc", "dec")
        for layer in (0, 1)
    }
    for name, tensors in files.items():
        write_tensors(tmp_path / name, tensors)
    write_tensors(tmp_path / "other.safetensors", {"x": torch.ones(1)})
    config = {"model_kind": "cross_layer_transcoder", "feature_input_hook": "hook_resid_mid"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    found_config, found = read_crosslayer(tmp_path)
    assert is_crosslayer(tmp_path) and found_config == config and list(found) == sorted(files)
    assert all(torch.equal(found[file][name], value) for file in files for name, value in files[file].items())


def test_a_set_is_no_cross_layer_transcoder_and_a_folder_without_its_files_is_refused(tmp_path: Path) -> None:
    write_transcoders(tmp_path, CONFIG, layers(2))
    assert not is_crosslayer(tmp_path)
    with pytest.raises(ArtifactError, match=r"layers are missing.*W_enc_\{l\}"):
        read_crosslayer(tmp_path)
