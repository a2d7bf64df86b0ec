"""TransformerLens models the user already has, behind the one interface."""

from typing import Any

from transformer_lens import HookedTransformer
from transformer_lens.model_bridge import TransformerBridge

from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.transformerlens_bridge import BridgeModel
from mechlab.models.transformerlens_hooked import HookedTransformerModel


def wrap(model: Any, name: str = "") -> LanguageModel:
    """Return the language model a HookedTransformer or a TransformerBridge is; it keeps being the user's own.

    Args:
        model: a decoder-only model; it is put into evaluation mode.
        name: what to call it; the name TransformerLens gave it if empty.

    Raises:
        UsageError: it is another kind of model.
    """
    if isinstance(model, HookedTransformer):
        return HookedTransformerModel(model, name)
    if isinstance(model, TransformerBridge):
        return BridgeModel(model, name)
    remedy = "Pass a HookedTransformer or a TransformerBridge."
    raise UsageError("this is no TransformerLens language model", value=type(model).__name__, remedy=remedy)
