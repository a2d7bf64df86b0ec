"""A tiny model beside autograd's copy of it with patterns held, and a prompt."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from oracles.held_model import HeldModel
from oracles.tiny_models import D_VOCAB, tiny, token_rows

from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.parts import Parts, parts_of
from mechlab.models.huggingface import HuggingFaceModel

FAMILIES = ["gpt2", "neox_parallel", "neox_sequential", "llama", "qwen3"]
OBSERVABLE = Observable(name="odd", tokens=(7, 3, 60), weights=(0.1, -2.5, 0.3))
WEIGHTS = OBSERVABLE.vector(D_VOCAB)


@dataclass(frozen=True)
class Held:
    """The two models and the prompt."""

    hf_model: Any
    model: HuggingFaceModel
    parts: Parts
    tokens: torch.Tensor
    exact: HeldModel
    frozen: HeldModel

    def oracle(self, how: str) -> HeldModel:
        """Return the copy whose norms are as a way of handing back has them."""
        return {"exact": self.exact, "frozen": self.frozen}[how]


@lru_cache(maxsize=10)
def held(family: str, n_pos: int = 6) -> Held:
    """Return one of a family."""
    hf_model, tokens = tiny(family).double(), token_rows(1, n_pos)
    oracles = (HeldModel(hf_model, tokens, hold_norms=hold) for hold in (False, True))
    model = HuggingFaceModel(hf_model)
    return Held(hf_model, model, parts_of(model), tokens, *oracles)
