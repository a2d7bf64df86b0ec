"""What next tokens cost a model on rows of text, row by row, so that two models are compared on the same rows."""

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechlab.core.estimate import Estimate
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.bootstrap import estimate, ratio
from mechlab.metrics.language import predictions_that_count
from mechlab.models.language_model import LanguageModel

RowLosses = Float64[Tensor, "n_rows 2"]


def row_losses(model: LanguageModel, rows: TokenRows, rows_at_once: int = 32) -> RowLosses:
    """Return the nats that each row's next tokens cost, and how many they are; special tokens are not predicted."""
    return losses_where(model, rows.tokens, predictions_that_count(~rows.special), rows_at_once)


@torch.no_grad()
def losses_where(
    model: LanguageModel,
    tokens: Int[Tensor, "n_rows pos"],
    counts: Bool[Tensor, "n_rows predictions"],
    rows_at_once: int = 32,
) -> RowLosses:
    """Return the nats that those predictions of each row cost that count, and how many they are."""
    parts = []
    for some, counted in zip(tokens.split(rows_at_once), counts.split(rows_at_once), strict=True):
        given, here = some.long().to(model.device), counted.to(model.device)
        logits = model.logits(given)[:, :-1].transpose(1, 2).float()
        nats = cross_entropy(logits, given[:, 1:], reduction="none") * here
        parts.append(torch.stack([nats.double().sum(1), here.double().sum(1)], dim=1).cpu())
    return torch.cat(parts)


def loss_per_token(losses: RowLosses, seed: int = 0) -> Estimate | None:
    """Return the mean loss of a token, in nats."""
    return estimate(losses, ratio, unit="nats", seed=seed)


def times_as_much(losses: RowLosses, reference: RowLosses, seed: int = 0) -> Estimate | None:
    """Return a model's loss as a multiple of another one's on the same rows; the interval redraws both together."""
    both = torch.stack([losses[:, 0], reference[:, 0]], dim=1)
    return estimate(both, ratio, seed=seed)
