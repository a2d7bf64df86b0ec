"""What a model multiplies the products of queries and keys by before it caps and compares them."""

from typing import Any

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel


def score_scale(model: LanguageModel, layer: int) -> float:
    """Return the factor of a layer's attention scores, as its attention module has it.

    Raises:
        UsageError: the model is not Hugging Face's.
    """
    if not isinstance(model, HuggingFaceModel):
        raise UsageError("factors of scores are read from Hugging Face models", value=model.name, remedy="Load one.")
    attention: Any = model.layout.blocks[layer].attention
    return float(attention.scaling)
