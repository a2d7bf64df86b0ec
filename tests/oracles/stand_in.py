"""A model whose activation is the token itself, so that a test sees which token every served vector came from."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site
from mechlab.models.spec import ModelSpec


class TokenEcho(LanguageModel):
    """Answers every site with [token, token squared, 1] and notes the first token of each row it was asked for."""

    device, dtype, fingerprint = torch.device("cpu"), torch.float32, "echo"
    logits = read = edit = stepper = weights = Any

    def __init__(self) -> None:
        sizes = {"n_layers": 4, "d_model": 3, "n_heads": 1, "n_kv_heads": 1, "d_head": 3, "d_mlp": 3}
        super().__init__("echo", ModelSpec(architecture="gpt2", d_vocab=10**9, n_ctx=10**6, **sizes), None)
        self.asked: list[int] = []

    def activations(self, tokens: Tensor, sites: Sequence[str | Site]) -> dict[str, Tensor]:
        self.asked += tokens[:, 0].tolist()
        values = tokens.double()
        return {str(site): torch.stack([values, values**2, torch.ones_like(values)], dim=-1) for site in sites}


def numbered_rows(n_rows: int, row_length: int, specials: Sequence[int] = ()) -> TokenRows:
    """Return rows whose token at `pos` of `row` is row x row_length + pos; the listed positions are special."""
    tokens = torch.arange(n_rows * row_length, dtype=torch.int32).reshape(n_rows, row_length)
    special = torch.zeros_like(tokens, dtype=torch.bool)
    special[:, list(specials)] = True
    return TokenRows(tokens, special, f"numbered {n_rows} {row_length}")
