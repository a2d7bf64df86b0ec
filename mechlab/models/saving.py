"""A language model as a Hugging Face folder: config, safetensors and tokenizer, nothing pickled."""

from pathlib import Path

import torch
from transformers.utils import logging as hf_logging

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.tokenizer import HuggingFaceTokenizer


def save_model(model: LanguageModel, folder: Path) -> None:
    """Write a model so that `load(folder)` gives it back; the same model gives the same bytes.

    Raises:
        UsageError: the model is of another backend, or has weights that its Hugging Face class would not read back.
    """
    if not isinstance(model, HuggingFaceModel):
        raise UsageError("only a Hugging Face model can be saved", value=type(model).__name__)
    if added := _added(model):
        remedy = "Processing gave it biases its class does not have: save the model as it was trained."
        raise UsageError("the saved model would be another one", value=", ".join(added[:3]), remedy=remedy)
    hf_logging.disable_progress_bar()
    model.module.save_pretrained(folder)
    if isinstance(model.tokenizer, HuggingFaceTokenizer):
        model.tokenizer.wrapped.save_pretrained(folder)
    mode = (folder / "config.json").stat().st_mode
    for file in folder.glob("*.safetensors"):
        file.chmod(mode)  # safetensors leaves its files readable by their owner alone


def _added(model: HuggingFaceModel) -> list[str]:
    """Return the weights that a fresh model of this class and config would not have."""
    with torch.device("meta"):
        fresh = type(model.module)(model.module.config)
    return sorted(model.module.state_dict().keys() - fresh.state_dict().keys())
