"""What an edit costs on text that has nothing to do with it: how far predictions move, and how much worse they get.

1. Every row is read twice, without and with the edit.
2. Predictions count where neither the token read nor the token predicted is special.
3. Rows are the independent units of every interval; both readings of a row are redrawn together.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechlab.core.estimate import Estimate
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.bootstrap import Totals, Values, estimate
from mechlab.metrics.language import predictions_that_count
from mechlab.models.language_model import LanguageModel

Edit = Callable[[], AbstractContextManager[object]]
N, CLEAN, EDITED, KL = range(4)


@dataclass(frozen=True)
class SideEffects:
    """What an edit costs.

    Attributes:
        kl_nats: mean divergence of the edited predictions from the model's own, `KL(edited || own)`.
        loss_nats: mean loss of the edited model.
        own_loss_nats: mean loss of the model itself.
        loss_increase: `loss / own loss - 1`.
    """

    kl_nats: Estimate | None
    loss_nats: Estimate | None
    own_loss_nats: Estimate | None
    loss_increase: Estimate | None


def side_effects(
    model: LanguageModel, rows: TokenRows, edit: Edit, *, rows_at_once: int = 32, seed: int = 0
) -> SideEffects:
    """Return what an edit costs on rows of text.

    Args:
        model: the model that is edited.
        rows: text of whatever kind the model should go on reading well.
        edit: opens the edit; every forward pass within it is edited.
        rows_at_once: rows in one pass.
        seed: of the intervals' redraws.

    Source: divergence and loss on unrelated text are what steering is commonly charged with; the ratio to the model's
    own loss with an interval over rows is ours.
    """
    sums = torch.cat([_sums(model, some, edit) for some in _batches(rows, rows_at_once)])

    def per_token(column: int) -> Callable[[Totals], Values]:
        return lambda totals: totals[:, column] / totals[:, N]

    return SideEffects(
        kl_nats=estimate(sums, per_token(KL), unit="nats", seed=seed),
        loss_nats=estimate(sums, per_token(EDITED), unit="nats", seed=seed),
        own_loss_nats=estimate(sums, per_token(CLEAN), unit="nats", seed=seed),
        loss_increase=estimate(sums, lambda totals: totals[:, EDITED] / totals[:, CLEAN] - 1, seed=seed),
    )


def _batches(rows: TokenRows, n: int) -> Iterator[TokenRows]:
    return (rows.select(slice(start, start + n)) for start in range(0, len(rows), n))


@torch.no_grad()
def _sums(model: LanguageModel, rows: TokenRows, edit: Edit) -> Float64[Tensor, "n_rows 4"]:
    tokens = rows.tokens.long().to(model.device)
    counts = predictions_that_count(~rows.special).to(model.device)
    own = model.logits(tokens)[:, :-1].float().log_softmax(-1)
    with edit():
        edited = model.logits(tokens)[:, :-1].float().log_softmax(-1)
    losses = [cross_entropy(one.transpose(1, 2), tokens[:, 1:], reduction="none") for one in (own, edited)]
    divergence = (edited.exp() * (edited - own)).sum(-1)
    parts = [torch.ones_like(divergence), *losses, divergence]
    return torch.stack([(part * counts).double().sum(1) for part in parts], dim=1).cpu()
