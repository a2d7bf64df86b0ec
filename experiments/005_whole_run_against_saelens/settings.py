"""What is run: models of two sizes with random weights, the place that is read, and the dictionary's size."""

from dataclasses import dataclass
from typing import Any

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import AutoModelForCausalLM, GPT2Config

BATCH, ROW_LENGTH, FORWARD_ROWS, POOL, K = 2048, 128, 32, 8192, 32
WARM_UP, STRETCHES = 4, 3


@dataclass(frozen=True)
class Setting:
    """One model, the layer whose output is read, and one size of dictionary; a stretch is a number of steps."""

    name: str
    d_model: int
    n_layers: int
    n_heads: int
    layer: int
    d_sae: int
    stretch: int

    @property
    def n_steps(self) -> int:
        """Return how many steps are taken in all."""
        return WARM_UP + STRETCHES * self.stretch


SETTINGS = [
    Setting("4 layers of 256", 256, 4, 4, layer=2, d_sae=4096, stretch=32),
    Setting("GPT-2 small", 768, 12, 12, layer=6, d_sae=4096, stretch=8),
    Setting("GPT-2 small", 768, 12, 12, layer=6, d_sae=16384, stretch=4),
]


def random_gpt2(setting: Setting) -> Any:
    """Return a Hugging Face GPT-2 of the setting's shape whose weights are drawn, not trained: they cost the same."""
    torch.manual_seed(0)
    config = GPT2Config(n_embd=setting.d_model, n_layer=setting.n_layers, n_head=setting.n_heads)
    return AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)


def hooked(model: Any) -> HookedTransformer:
    """Return the same model as a HookedTransformer, its weights unprocessed, as SAELens loads it."""
    given = model.config
    config = HookedTransformerConfig(
        n_layers=given.n_layer,
        d_model=given.n_embd,
        n_heads=given.n_head,
        d_head=given.n_embd // given.n_head,
        d_mlp=4 * given.n_embd,
        n_ctx=given.n_positions,
        d_vocab=given.vocab_size,
        act_fn=given.activation_function,
        eps=given.layer_norm_epsilon,
        normalization_type="LN",
        init_weights=False,
        device="cpu",
    )
    made = HookedTransformer(config, move_to_device=False)
    made.load_state_dict(convert_gpt2_weights(model, config), strict=False)
    return made.eval().requires_grad_(False)


def token_rows(setting: Setting) -> torch.Tensor:
    """Return rows of random tokens, more than both need."""
    n_rows = 2 * (setting.n_steps * BATCH + POOL) // ROW_LENGTH
    return torch.randint(50257, (n_rows, ROW_LENGTH), generator=torch.Generator().manual_seed(0))
