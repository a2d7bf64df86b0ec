"""Loading: a built-in name, a Hugging Face folder, a hub name or a model in memory becomes a `LanguageModel`."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as hf_logging

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.core.runtime import resolve_device
from mechlab.models import MODELS
from mechlab.models.checkpoint_folder import PICKLES, check_folder
from mechlab.models.gelu import gelu_in_one_pass
from mechlab.models.hub import hub_folder
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.rms_norm import rms_norm_in_one_call
from mechlab.models.tokenizer import HuggingFaceTokenizer

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


def load(model: Any, *, device: str = "auto", dtype: torch.dtype = torch.float32) -> LanguageModel:
    """Return the language model.

    Args:
        model: a built-in name, a folder with config.json and safetensors (wins over a hub name), a hub name, or an
            object in memory: a Hugging Face model (put into evaluation mode) or any TransformerLens model, used where
            they are.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: number type of weights and activations.

    Raises:
        UsageError: the model is unknown or unreachable, its architecture is not supported, or its weights are pickled.
        ArtifactError: its folder is incomplete or damaged; the message names the file.
    """
    if isinstance(model, (str, Path)):
        folder, name = _find(model)
        return _from_folder(folder, name, resolve_device(device), dtype)
    if isinstance(model, LanguageModel):
        return model
    if isinstance(model, PreTrainedModel):
        return HuggingFaceModel(model, name=Path(model.config.name_or_path or "").name)
    if type(model).__module__.startswith("transformer_lens."):
        from mechlab.models.transformerlens import wrap

        return wrap(model)
    remedy = "Give a name, a folder, a Hugging Face model or a TransformerLens model."
    raise UsageError("this is no language model", value=type(model).__name__, remedy=remedy)


def is_on_disk(model: str | Path) -> bool:
    """Tell whether a model is a place on disk, not a name that is built in or on the hub."""
    return not (isinstance(model, str) and model in MODELS) and Path(model).expanduser().exists()


def _find(model: str | Path) -> tuple[Path, str]:
    """Return the folder of a model on disk, and the name to call it by."""
    if isinstance(model, str) and model in MODELS:
        return MODELS[model](), model
    if is_on_disk(model):
        path = Path(model).expanduser()
        return path, path.resolve().name
    if _is_path(model):
        remedy = f"Give a folder that holds config.json, or a name; built in: {', '.join(MODELS)}."
        raise UsageError("model folder does not exist", value=str(model), remedy=remedy)
    return hub_folder(str(model)), str(model)


def _is_path(model: str | Path) -> bool:
    """Tell whether this can only be a place on disk: hub names are `name` or `owner/name`."""
    parts = Path(model).parts
    looks_like_path = len(parts) > 2 or str(model).startswith((".", "/", "~", "\\")) or Path(model).suffix in PICKLES
    return isinstance(model, Path) or looks_like_path


def _from_folder(folder: Path, name: str, device: torch.device, dtype: torch.dtype) -> LanguageModel:
    check_folder(folder)
    progress_bars = hf_logging.is_progress_bar_enabled()
    verbosity = hf_logging.get_verbosity()
    hf_logging.disable_progress_bar()
    hf_logging.set_verbosity_error()
    try:
        module, tokenizer = _module(folder, dtype), _tokenizer(folder)
    finally:
        hf_logging.set_verbosity(verbosity)
        if progress_bars:
            hf_logging.enable_progress_bar()
    return HuggingFaceModel(rms_norm_in_one_call(gelu_in_one_pass(module)).to(device), tokenizer, name)


def _module(folder: Path, dtype: torch.dtype) -> Any:
    """Return the Hugging Face model; a tensor that is missing or misshapen is refused, not drawn at random."""
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError("model folder cannot be read", value=str(folder), remedy=_first_line(error)) from None
    module, report = loaded
    mismatched = [key[0] if isinstance(key, tuple) else key for key in report["mismatched_keys"]]
    if missing := sorted([*report["missing_keys"], *mismatched]):
        remedy = (
            f"Its safetensors lack {', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}, or shape them wrongly."
        )
        raise ArtifactError("model folder does not hold the model's weights", value=str(folder), remedy=remedy)
    return module


def _tokenizer(folder: Path) -> HuggingFaceTokenizer | None:
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        return None
    try:
        return HuggingFaceTokenizer(AutoTokenizer.from_pretrained(folder, local_files_only=True))
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise ArtifactError("tokenizer cannot be read", value=str(folder), remedy=_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
