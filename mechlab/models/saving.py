"""A language model as a Hugging Face folder: config, safetensors and tokenizer, nothing pickled."""

from pathlib import Path

from transformers.utils import logging as hf_logging

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.tokenizer import HuggingFaceTokenizer


def save_model(model: LanguageModel, folder: Path) -> None:
    """Write a model so that `load(folder)` gives it back; the same model gives the same bytes.

    Raises:
        UsageError: the model is of another backend.
    """
    if not isinstance(model, HuggingFaceModel):
        raise UsageError("only a Hugging Face model can be saved", value=type(model).__name__)
    hf_logging.disable_progress_bar()
    model.module.save_pretrained(folder)
    if isinstance(model.tokenizer, HuggingFaceTokenizer):
        model.tokenizer.wrapped.save_pretrained(folder)
    mode = (folder / "config.json").stat().st_mode
    for file in folder.glob("*.safetensors"):
        file.chmod(mode)  # safetensors leaves its files readable by their owner alone
