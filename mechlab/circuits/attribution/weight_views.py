"""What weights alone say of a circuit: which features, tokens and heads could move a direction, on whatever prompt.

A direction reads the stream. Pulled back to an earlier layer it is what each of its features would add for a code of 1;
handed back through a head it is a direction again, of what that head reads; held against the embedding it tells which
tokens move it. Divisors of norms, patterns and codes are the prompt's, and are in `connections`.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head
from mechlab.models.spec import ModelSpec

Directions = Float[Tensor, "n d_model"]


@torch.no_grad()
def feature_directions(
    model: LanguageModel, transcoders: TranscoderSet, layer: int, features: Sequence[int]
) -> Directions:
    """Return what features of a layer read of the stream, before a norm divides it.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (encoder rows as vectors).
    """
    numbers = torch.tensor(list(features), dtype=torch.long, device=transcoders.bias(layer).device)
    rows, _ = transcoders.readers(layer, numbers)
    return _centred(model.spec, rows) if transcoders.read_kind.endswith("_normalized") else rows


@torch.no_grad()
def pullback(
    transcoders: TranscoderSet, directions: Directions, layer: int, *, before: int | None = None
) -> Float[Tensor, "n n_features"]:
    """Return what each feature of a layer adds along directions for a code of 1, at the same token and straight.

    Args:
        transcoders: of all layers.
        directions: that read the stream.
        layer: whose features.
        before: before which layer the directions read; cross-layer features write to all in between. None is the next.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (pullbacks: the input-invariant
    factor).
    """
    last = layer + 1 if before is None else before
    every = torch.arange(transcoders.n_features(layer), device=directions.device)
    found = directions.new_zeros(len(directions), len(every))
    for target in range(layer, last):
        rows = transcoders.writers(layer, every, target)
        if rows is not None:
            found = found + directions @ rows.T
    return found


@torch.no_grad()
def through_head(model: LanguageModel, directions: Directions, head: Head) -> Directions:
    """Return the directions of what a head reads that its values and outputs hand on to directions.

    Gains of norms are in it, divisors and the pattern are not.

    Raises:
        UsageError: there is no such head.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (vectors through a head's OV).
    """
    spec, (layer, number) = model.spec, head
    if not (0 <= layer < spec.n_layers and 0 <= number < spec.n_heads):
        remedy = f"Layers are 0..{spec.n_layers - 1}, heads 0..{spec.n_heads - 1}."
        raise UsageError("this model has no such head", value=f"{layer}.{number}", remedy=remedy)
    return _through_heads(model, directions, layer)[:, number]


@torch.no_grad()
def ov_norms(model: LanguageModel, directions: Directions) -> Float[Tensor, "n n_layers n_heads"]:
    """Return how long each direction is behind every head: how much the head could move it.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (OV norms).
    """
    return torch.stack([_through_heads(model, directions, one).norm(dim=-1) for one in range(model.spec.n_layers)], 1)


@torch.no_grad()
def de_embedding(model: LanguageModel, directions: Directions) -> Float[Tensor, "n d_vocab"]:
    """Return how far every token's embedding goes along directions.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (de-embeddings).
    """
    return directions @ model.weights().W_E.to(directions).T


@torch.no_grad()
def position_de_embedding(model: LanguageModel, directions: Directions) -> Float[Tensor, "n n_ctx"]:
    """Return how far every learned position's embedding goes along directions.

    Raises:
        UsageError: the model has none.

    Source: as `de_embedding`; positions are ours.
    """
    embedded = model.weights().W_pos
    if embedded is None:
        raise UsageError("this model learned no positions", value=model.spec.positional, remedy="Its positions turn.")
    return directions @ embedded.to(directions).T


def _through_heads(model: LanguageModel, directions: Directions, layer: int) -> Float[Tensor, "n n_heads d_model"]:
    weights = model.weights().layers[layer]
    written = directions if weights.ln1_post_w is None else directions * weights.ln1_post_w
    read = torch.einsum("nd,hed,hce->nhc", written, weights.W_O.to(written), weights.W_V.to(written))
    return _centred(model.spec, read * weights.ln1_w)


def _centred(spec: ModelSpec, vectors: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
    return vectors - vectors.mean(-1, keepdim=True) if spec.normalization == "LN" else vectors
