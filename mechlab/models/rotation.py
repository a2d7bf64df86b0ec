"""How far keys are turned against queries: the matrix between a query and a key some tokens back.

1. A rotary model turns pairs of a head's numbers by angles that grow with the position, queries and keys alike.
2. A score only depends on how far both stand apart: it is `q M k` with one matrix M for each offset.
3. M is read off the model's own table of cosines and sines, rotated part and scale included.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel


@torch.no_grad()
def rotation(model: LanguageModel, offset: int) -> Float[Tensor, "d_head d_head"] | None:
    """Return M with score = q M k (before scaling) for a key `offset` tokens before the query, in float64.

    Returns:
        None for a model whose queries and keys are not rotated.

    Raises:
        UsageError: the offset is negative or beyond the context, or the model is not Hugging Face's.

    Source: Su et al. 2021, "RoFormer", equation 16, in Hugging Face's layout (the halves of a head's rotated numbers
    are pairs).
    """
    if not 0 <= offset < model.spec.n_ctx:
        remedy = f"{model.name} reads {model.spec.n_ctx} tokens: give 0 to {model.spec.n_ctx - 1}."
        raise UsageError("no key stands that many tokens before a query", value=offset, remedy=remedy)
    query, key = (turn(model, position) for position in (offset, 0))
    return None if query is None or key is None else query @ key.T


@torch.no_grad()
def turn(model: LanguageModel, position: int) -> Float[Tensor, "d_head d_head"] | None:
    """Return the matrix that turns a query or key at a position, multiplied from the right, in float64.

    Returns:
        None for a model whose queries and keys are not rotated.

    Raises:
        UsageError: the model is not Hugging Face's.
    """
    if model.spec.positional != "rotary":
        return None
    if not isinstance(model, HuggingFaceModel):
        raise UsageError("rotations are read from Hugging Face models", value=model.name, remedy="Load that one.")
    table: Any = model.layout.trunk.rotary_emb  # pyright: ignore[reportAttributeAccessIssue]
    places = torch.tensor([[position]], device=model.device)
    cosines, sines = (part[0, 0].double() for part in table(torch.zeros(1, device=model.device), places))
    n = len(cosines)
    turned = torch.eye(model.spec.d_head, dtype=torch.float64, device=model.device)
    unit = torch.eye(n, dtype=torch.float64, device=model.device)
    halves = torch.cat([-unit[:, n // 2 :], unit[:, : n // 2]], 1)
    turned[:n, :n] = unit * cosines + halves * sines
    return turned
