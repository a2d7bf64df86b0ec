"""A dictionary's folder, as SAELens lays it out: `cfg.json` says what it is, `sae_weights.safetensors` holds it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.store.disk import read_json, write_json
from mechlab.store.safetensors_header import CONVERT, PICKLE_SUFFIXES
from mechlab.store.tensors import read_tensors, write_tensors

CONFIG_NAME = "cfg.json"
WEIGHTS_NAME = "sae_weights.safetensors"


def write_dictionary(folder: Path, cfg: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a dictionary's config and weights; the weights first, so that a config means the folder is whole."""
    write_tensors(folder / WEIGHTS_NAME, tensors)
    write_json(folder / CONFIG_NAME, dict(cfg))


def read_dictionary(folder: Path, device: str | torch.device = "cpu") -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return a dictionary's config and weights.

    Raises:
        ArtifactError: the folder or one of its files is missing or damaged, or it holds pickled weights.
    """
    return read_dictionary_config(folder), read_tensors(folder / WEIGHTS_NAME, device=device)


def read_dictionary_config(folder: Path) -> dict[str, Any]:
    """Return a dictionary's config, its weights left on the disk.

    Raises:
        ArtifactError: the folder or its config is missing or damaged, or it holds pickled weights.
    """
    if not folder.is_dir():
        remedy = "Give a folder with cfg.json and sae_weights.safetensors."
        raise ArtifactError("dictionary folder is missing", value=str(folder), remedy=remedy)
    weights = folder / WEIGHTS_NAME
    pickles = [path for path in sorted(folder.iterdir()) if path.suffix in PICKLE_SUFFIXES]
    if pickles and not weights.exists():
        raise ArtifactError("dictionary's weights are a pickle file", value=str(pickles[0]), remedy=CONVERT)
    return read_json(folder / CONFIG_NAME, "dictionary's config")
