"""What next tokens cost a model on rows of text, row by row, so that two models are compared on the same rows."""

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechlab.core.estimate import Estimate
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.bootstrap import estimate, ratio
from mechlab.metrics.language import predictions_that_count
from mechlab.models.language_model import LanguageModel

RowLosses = Float64[Tensor, "n_rows 2"]


@torch.no_grad()
def row_losses(model: LanguageModel, rows: TokenRows, rows_at_once: int = 32) -> RowLosses:
    """Return the nats that each row's next tokens cost, and how many they are; special tokens are not predicted."""
    parts = []
    for start in range(0, len(rows), rows_at_once):
        batch = rows.select(slice(start, start + rows_at_once))
        tokens = batch.tokens.long().to(model.device)
        logits = model.logits(tokens)[:, :-1].transpose(1, 2).float()
        counts = predictions_that_count(~batch.special).to(model.device)
        nats = cross_entropy(logits, tokens[:, 1:], reduction="none") * counts
        parts.append(torch.stack([nats.double().sum(1), counts.double().sum(1)], dim=1).cpu())
    return torch.cat(parts)


def loss_per_token(losses: RowLosses, seed: int = 0) -> Estimate | None:
    """Return the mean loss of a token, in nats."""
    return estimate(losses, ratio, unit="nats", seed=seed)


def times_as_much(losses: RowLosses, reference: RowLosses, seed: int = 0) -> Estimate | None:
    """Return a model's loss as a multiple of another one's on the same rows; the interval redraws both together."""
    both = torch.stack([losses[:, 0], reference[:, 0]], dim=1)
    return estimate(both, ratio, seed=seed)
