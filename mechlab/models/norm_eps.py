"""What a model's norms add to the variance before they divide by its root."""

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel


def norm_eps(model: LanguageModel) -> float:
    """Return the number all norms of the residual stream add, as the model's config has it.

    Raises:
        UsageError: the model is not Hugging Face's.
    """
    if not isinstance(model, HuggingFaceModel):
        remedy = "Load the Hugging Face model."
        raise UsageError("what norms add is read from Hugging Face models", value=model.name, remedy=remedy)
    return float(model.layout.final_norm.eps)
