"""Ablate a site: nothing, or the same average for every token, in the activation's place."""

from contextlib import AbstractContextManager

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from mechlab.corpora.rows import TokenRows
from mechlab.interventions.replace import replace
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


def ablate(
    model: LanguageModel,
    site: str | Site,
    mean: Float[Tensor, "*width"] | None = None,
    *,
    untouched: Bool[Tensor, "batch pos"] | None = None,
) -> AbstractContextManager[None]:
    """Return a context in which the site carries no information about its token.

    Args:
        model: the model to edit.
        site: where.
        mean: what every token has instead; None puts zeros.
        untouched: tokens (special ones, say) whose activation stays.
    """
    new = torch.zeros_like if mean is None else lambda activation: mean.to(activation)
    return replace(model, site, new, untouched=untouched)


@torch.no_grad()
def mean_activation(
    model: LanguageModel, rows: TokenRows, site: str | Site, *, n_rows: int = 256, batch_rows: int = 16
) -> Float64[Tensor, "*width"]:
    """Return the site's mean over the tokens that are not special, of at most `n_rows` rows spread over the corpus."""
    picked = rows.select(torch.linspace(0, len(rows) - 1, min(n_rows, len(rows))).round().long())
    total, n_tokens = torch.zeros((), dtype=torch.float64), 0
    for start in range(0, len(picked), batch_rows):
        batch = picked.select(slice(start, start + batch_rows))
        (activation,) = model.activations(batch.tokens, [site]).values()
        counted = activation.cpu()[~batch.special]
        total, n_tokens = total + counted.double().sum(0), n_tokens + len(counted)
    return total / max(n_tokens, 1)
