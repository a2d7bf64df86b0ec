"""A folder of transcoders as circuit-tracer lays it out: `config.yaml`, and safetensors files for every layer.

A transcoder for each layer is one file; a cross-layer transcoder is two for each, `W_enc_{l}` and `W_dec_{l}`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from mechlab.core.config import read_yaml
from mechlab.core.errors import ArtifactError
from mechlab.store.disk import write_bytes
from mechlab.store.tensors import read_tensors, write_tensors

CONFIG_NAME = "config.yaml"
LAYER = re.compile(r"layer_(\d+)\.safetensors")
CROSSLAYER_FILE = re.compile(r"W_(enc|dec)_\d+\.safetensors")
CROSSLAYER = "cross_layer_transcoder"


def write_transcoders(folder: Path, config: Mapping[str, Any], layers: Sequence[Mapping[str, Tensor]]) -> None:
    """Write a set of transcoders; the layers first, so that a config means the folder is whole."""
    for number, tensors in enumerate(layers):
        write_tensors(folder / f"layer_{number}.safetensors", tensors)
    write_bytes(folder / CONFIG_NAME, yaml.safe_dump(dict(config), sort_keys=False).encode())


def find_transcoders(folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """Return the config of a set of transcoders, and the file of each layer from the first on.

    Raises:
        ArtifactError: a layer is missing, or the folder holds something else.
        ConfigError: the config is missing or is not YAML.
    """
    config = read_yaml(folder / CONFIG_NAME)
    if (kind := config.get("model_kind")) != "transcoder_set":
        raise ArtifactError("folder is no set of transcoders", value=str(folder), remedy=f"Its model_kind is {kind}.")
    found = {int(match[1]): path for path in folder.iterdir() if (match := LAYER.fullmatch(path.name))}
    if sorted(found) != list(range(len(found))) or not found:
        remedy = f"It has {', '.join(f'layer_{number}' for number in sorted(found)) or 'none'}."
        raise ArtifactError("layers are missing", value=str(folder), remedy=remedy)
    return config, [found[number] for number in sorted(found)]


def is_crosslayer(folder: Path) -> bool:
    """Tell whether a folder says that it holds a cross-layer transcoder.

    Raises:
        ConfigError: the config is missing or is not YAML.
    """
    return read_yaml(folder / CONFIG_NAME).get("model_kind") == CROSSLAYER


def read_crosslayer(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Return the config of a cross-layer transcoder, and the tensors of each of its files by the file's name.

    Raises:
        ArtifactError: a file is damaged, or there is none.
        ConfigError: the config is missing or is not YAML.
    """
    found = sorted(path for path in folder.iterdir() if CROSSLAYER_FILE.fullmatch(path.name))
    if not found:
        remedy = "It needs W_enc_{l}.safetensors and W_dec_{l}.safetensors for each layer."
        raise ArtifactError("layers are missing", value=str(folder), remedy=remedy)
    return read_yaml(folder / CONFIG_NAME), {path.name: read_tensors(path) for path in found}
