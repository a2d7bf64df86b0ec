"""A Hugging Face folder on disk: what must be in it, checked before anything is built from it."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.models.architectures import ARCHITECTURES

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
CONVERT = "Convert it once to safetensors, with save_pretrained of the library that wrote it; pickles can run code."


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not a whole Hugging Face checkpoint of a supported architecture in safetensors.

    Raises:
        UsageError: it is a file, has no config.json, holds pickles only, or is of another architecture.
        ArtifactError: a file is missing, truncated or not what its name says.
    """
    if folder.suffix in PICKLES:
        raise UsageError("weights are pickled", value=str(folder), remedy=CONVERT)
    if not folder.is_dir():
        remedy = "Give the folder that holds config.json and model.safetensors."
        raise UsageError("model is not a folder", value=str(folder), remedy=remedy)
    if not (folder / "config.json").exists():
        remedy = "A Hugging Face folder has one beside its safetensors."
        raise UsageError("model folder has no config.json", value=str(folder), remedy=remedy)
    _check_architecture(folder / "config.json")
    for file in _weight_files(folder):
        _check_safetensors(file)


def _check_architecture(config_file: Path) -> None:
    config = _read_json(config_file)
    if "model_type" not in config:
        raise ArtifactError("config.json does not say model_type", value=str(config_file))
    ARCHITECTURES[config["model_type"]]


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return sorted(folder / name for name in set(_read_json(index).get("weight_map", {}).values()))
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    pickles = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLES)
    if pickles:
        raise UsageError("weights are pickled", value=str(folder / pickles[0]), remedy=CONVERT)
    raise UsageError("model folder has no model.safetensors", value=str(folder), remedy="Put the weights there.")


def _check_safetensors(file: Path) -> None:
    try:
        with safe_open(file, framework="pt"):
            pass
    except FileNotFoundError:
        raise ArtifactError("weight file is missing", value=str(file), remedy="Copy the model again.") from None
    except (SafetensorError, OSError) as error:
        remedy = f"It is truncated or damaged ({error}); copy it again."
        raise ArtifactError("weight file is not a whole safetensors file", value=str(file), remedy=remedy) from None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError("file is not JSON", value=str(file), remedy=f"{error}.") from None
    if not isinstance(loaded, dict):
        raise ArtifactError("file does not hold a JSON object", value=str(file))
    return loaded
