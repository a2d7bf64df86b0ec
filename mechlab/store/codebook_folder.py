"""A model's codebooks beside its Hugging Face files: `codebooks.json` says what they are, safetensors hold them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.store.disk import read_json, write_json
from mechlab.store.tensors import read_tensors, write_tensors

CONFIG_NAME = "codebooks.json"
WEIGHTS_NAME = "codebooks.safetensors"


Tensors = Mapping[str, Mapping[str, Tensor]]


def write_codebooks(folder: Path, configs: Mapping[str, Mapping[str, Any]], tensors: Tensors) -> None:
    """Write each site's config and tensors; the tensors first, so that a config means the folder is whole."""
    named = {f"{site}/{name}": tensor for site, own in tensors.items() for name, tensor in own.items()}
    write_tensors(folder / WEIGHTS_NAME, named)
    write_json(folder / CONFIG_NAME, {site: dict(config) for site, config in configs.items()})


def read_codebooks(folder: Path) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Tensor]]]:
    """Return each site's config and tensors.

    Raises:
        ArtifactError: a file is missing or damaged, or holds other sites than the other one.
    """
    configs = read_json(folder / CONFIG_NAME, "codebooks' config")
    tensors: dict[str, dict[str, Tensor]] = {}
    for name, tensor in read_tensors(folder / WEIGHTS_NAME).items():
        site, _, own = name.partition("/")
        tensors.setdefault(site, {})[own] = tensor
    if configs.keys() != tensors.keys() or not all(isinstance(config, dict) for config in configs.values()):
        remedy = f"{CONFIG_NAME} and {WEIGHTS_NAME} do not belong together."
        raise ArtifactError("codebooks are damaged", value=str(folder), remedy=remedy)
    return configs, tensors
