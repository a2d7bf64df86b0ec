"""A tiny model with codebooks, a dictionary that writes to its stream, and examples: material for every kind."""

from dataclasses import replace
from functools import lru_cache

import torch
from circuits.directions.planted import SITE, planted
from oracles.tiny_models import D_MODEL, tiny, token_rows
from oracles.word_tokenizer import word_tokenizer

from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.circuits.directions.output_scores import largest_activations
from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.models.huggingface import HuggingFaceModel

D_SAE = 24
BOOK = CodebookConfig(d_in=D_MODEL, n_codes=5, k=2, n_groups=4, combine="mean")


def readable() -> HuggingFaceModel:
    """Return the model with a tokenizer that knows the neutral prompt."""
    return HuggingFaceModel(tiny("gpt2"), word_tokenizer("From my experience, red green"))


@lru_cache(maxsize=1)
def snapped() -> CodebookModel:
    """Return the model with a codebook at the site."""
    return CodebookModel(readable(), {SITE: Codebook(BOOK, seed=1)})


@lru_cache(maxsize=1)
def dictionary() -> TopKDictionary:
    """Return a random dictionary whose rows are of length 0.1, so that a unit of activation is not a row."""
    return TopKDictionary(TopKConfig(d_in=D_MODEL, d_sae=D_SAE, k=4), seed=2)


def material(*, codebooks: bool = False) -> DirectionMaterial:
    """Return everything kinds ask for."""
    model = snapped() if codebooks else readable()
    examples = replace(planted(12), model=model.fingerprint)
    largest = largest_activations(model, dictionary(), SITE, [token_rows(4, 12)])
    return DirectionMaterial(model, SITE, examples, dictionary(), largest)


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the cosine between two vectors."""
    return float(torch.nn.functional.cosine_similarity(one.double(), other.double(), dim=0))
