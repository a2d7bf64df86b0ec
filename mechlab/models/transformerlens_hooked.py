"""HookedTransformer behind the one interface."""

from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

from mechlab.core.shapes import Logits, Tokens
from mechlab.models.sites import Site
from mechlab.models.transformerlens_model import TransformerLensModel
from mechlab.models.transformerlens_spec import model_type, spec_of_lens
from mechlab.models.transformerlens_weights import weights_of_hooked_transformer
from mechlab.models.weights import Weights


class HookedTransformerModel(TransformerLensModel):
    """A HookedTransformer as a `LanguageModel`."""

    def __init__(self, wrapped: HookedTransformer, name: str = "") -> None:
        super().__init__(wrapped, name, spec_of_lens(wrapped, model_type(wrapped.cfg.original_architecture)))

    def weights(self) -> Weights:
        """Return the weights by their TransformerLens names and shapes."""
        return weights_of_hooked_transformer(self.wrapped)

    def _forward(self, tokens: Tokens, cache: Any) -> Logits:
        # With no mask given, TransformerLens may take a token for padding and hide it.
        return self.wrapped(tokens, attention_mask=torch.ones_like(tokens), past_kv_cache=cache)

    def _new_cache(self, n_rows: int) -> TransformerLensKeyValueCache:
        return TransformerLensKeyValueCache.init_cache(self.wrapped.cfg, self.device, n_rows)

    def _shown(self, site: Site, value: Tensor, tokens: Tensor) -> Tensor:
        """Undo the flattening of batch, position and head where queries and keys are normalized."""
        return value.unflatten(0, (*tokens.shape, -1)) if site.kind.startswith(("q_norm", "k_norm")) else value
