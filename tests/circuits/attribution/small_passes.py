"""A frozen pass of a tiny model with random transcoders, in float64."""

from dataclasses import replace

import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution.frozen_pass import FrozenPass, frozen_pass
from mechlab.circuits.attribution.sources import Sources, sources_of
from mechlab.models.huggingface import HuggingFaceModel


def small_pass(
    family: str, kind: str = "relu with a skip", *, n_pos: int = 7, seed: int = 0, bos: bool = False
) -> tuple[HuggingFaceModel, FrozenPass, Sources]:
    """Return a model, what is held still of its pass over some tokens, and what adds to it."""
    model = HuggingFaceModel(tiny(family, seed).to(torch.float64))
    frozen = frozen_pass(model, random_set(kind, model.spec, torch.float64, seed), token_rows(1, n_pos, seed))
    frozen = replace(frozen, has_bos=bos)
    return model, frozen, sources_of(frozen)
