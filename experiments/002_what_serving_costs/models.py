"""The models of the comparison, the rows they read, and the same model cut off behind a layer."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPT2Config

from mechlab.corpora.rows import TokenRows

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"
LAYERS = {"stories260K": (0, 2, 4), "gpt2 768 wide": (0, 5)}


def opened(name: str) -> Any:
    """Return the Hugging Face model; the wide one is random, its weights do not change what a pass costs."""
    if name == "stories260K":
        return AutoModelForCausalLM.from_pretrained(STORIES).eval()
    config = GPT2Config(n_layer=6, n_embd=768, n_head=12, vocab_size=5000)
    return AutoModelForCausalLM.from_config(config).eval()


def stopped_behind(model: Any, layer: int) -> Any:
    """Return the trunk of the model with nothing behind the layer: what a careful user would write by hand."""
    trunk = model.base_model
    blocks, norm = ("layers", "norm") if hasattr(trunk, "layers") else ("h", "ln_f")
    setattr(trunk, blocks, getattr(trunk, blocks)[: layer + 1])
    setattr(trunk, norm, torch.nn.Identity())
    trunk.config.num_hidden_layers = layer + 1
    return trunk


def rows_of(model: Any, n_rows: int, length: int) -> TokenRows:
    """Return rows of random tokens behind a start token."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(3, model.config.vocab_size, (n_rows, length), generator=generator)
    tokens[:, 0] = 1
    return TokenRows(tokens.int(), tokens == 1, "random")
