"""The same prompts continued twice, without and with an edit, from the same draws."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from mechlab.core.randomness import torch_generator
from mechlab.core.shapes import Tokens
from mechlab.models.language_model import LanguageModel


@dataclass(frozen=True, eq=False)
class GeneratedPair:
    """Prompts and what follows them, without and with the edit."""

    base: Tokens
    steered: Tokens


@torch.no_grad()
def generate_pair(
    model: LanguageModel,
    tokens: Tokens,
    n_tokens: int,
    edit: AbstractContextManager[None],
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> GeneratedPair:
    """Return the prompts continued without and with an edit; both draw from equal generators.

    Args:
        model: the model to generate with.
        tokens: prompts of one length.
        n_tokens: how many tokens to add.
        edit: a context of this model that is not open yet, as `steer` and `steer_by` return it.
        temperature: 0 takes the most likely token.
        seed: of the draws, above temperature 0.
    """

    def continued() -> Tokens:
        generator = torch_generator(seed, "generation", model.device) if temperature > 0 else None
        return model.generate(tokens, n_tokens, temperature=temperature, generator=generator)

    base = continued()
    with edit:
        return GeneratedPair(base, continued())
