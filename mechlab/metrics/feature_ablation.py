"""What the next token loses when one feature is taken away where it fires most: of all features, in a few passes.

1. Each of a feature's strongest tokens is the last of a row that is read up to it; rows of like length go together.
2. Every row is read three times at once: as it is, without the feature there, and without as much of another feature.
3. Without means: its activation times its direction is taken from the site; whatever the dictionary misses stays.
4. The loss of the next token and the divergence of the prediction are compared with those of the first reading.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int, Int64
from torch import Tensor

from mechlab.core.progress import SILENT, Progress
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route

LOGITS_AT_ONCE, ROWS_AT_ONCE = 1 << 24, 128
READINGS = 3


@dataclass(frozen=True, eq=False)
class Removal:
    """Where features are taken away: one line per token.

    Attributes:
        row: the tokens of its row; at least up to it.
        position: where in the row.
        following: the next token, where a prediction of it counts; else -1.
        removed: what is taken from what is rebuilt.
        control: what is taken instead, for comparison.
    """

    row: Int[Tensor, "n pos"]
    position: Int64[Tensor, "n"]
    following: Int[Tensor, "n"]
    removed: Float[Tensor, "n d_out"]
    control: Float[Tensor, "n d_out"]


@dataclass(frozen=True, eq=False)
class RemovalEffects:
    """What was lost, in nats: the next token's loss (NaN where its prediction does not count), and the divergence."""

    loss: Float64[Tensor, "n"]
    control_loss: Float64[Tensor, "n"]
    divergence: Float64[Tensor, "n"]
    control_divergence: Float64[Tensor, "n"]


@torch.no_grad()
def removal_effects(model: LanguageModel, route: Route, where: Removal, progress: Progress = SILENT) -> RemovalEffects:
    """Return how much higher the next token's loss is without the feature, and KL(as it is || without).

    Source: Bricken et al. 2023, "Towards Monosemanticity" (ablating a feature at its own tokens); the control, another
    feature's direction at the same norm, is ours.
    """
    n = len(where.row)
    found = torch.full((4, n), torch.nan, dtype=torch.float64)
    with progress.task("taking features away", n, "contexts") as task:
        for some in _of_like_length(where.position, model.spec.d_vocab):
            log_probs = _read(model, route, where, some)
            following = where.following[some].long().to(log_probs.device)
            losses = -log_probs.gather(-1, following.clamp(min=0).expand(READINGS, -1)[..., None])[..., 0]
            losses = torch.where(following >= 0, losses, torch.nan)
            clean = log_probs[0]
            apart = [(clean.exp() * (clean - other)).sum(-1) for other in log_probs[1:]]
            lines = [losses[1] - losses[0], losses[2] - losses[0], *apart]
            found[:, some] = torch.stack(lines).double().cpu()
            task.advance(len(some))
    return RemovalEffects(*found)


def _read(
    model: LanguageModel, route: Route, where: Removal, some: Int64[Tensor, "n"]
) -> Float64[Tensor, "readings n d_vocab"]:
    """Return the predictions made at the tokens: as it is, without the feature, without the control."""
    position = where.position[some]
    tokens = where.row[some, : int(position.max()) + 1].long().repeat(READINGS, 1)
    taken = torch.cat([torch.zeros_like(where.removed[some]), where.removed[some], where.control[some]])
    at = torch.arange(len(tokens)), position.repeat(READINGS)
    parts = taken.chunk(len(route.rebuilt), dim=1)

    def without(part: Tensor):
        def edit(activation: Tensor) -> Tensor:
            changed = activation.clone()
            changed[at] = changed[at] - part.to(activation)
            return changed

        return edit

    with model.edit({site: without(part) for site, part in zip(route.rebuilt, parts, strict=True)}):
        logits = model.logits(tokens.to(model.device))[at]
    return logits.double().log_softmax(-1).unflatten(0, (READINGS, -1))


def _of_like_length(position: Int64[Tensor, "n"], d_vocab: int) -> Iterator[Int64[Tensor, "n_some"]]:
    order, start = position.argsort(descending=True, stable=True), 0
    while start < len(order):
        longest = int(position[order[start]]) + 1
        n = min(ROWS_AT_ONCE, max(1, LOGITS_AT_ONCE // (READINGS * longest * d_vocab)))
        yield order[start : start + n]
        start += n


def partners(alive: Bool[Tensor, "n_features"], draw: torch.Generator) -> Int64[Tensor, "n_features"]:
    """Return for each feature that fires another one that does, drawn so that each is drawn once; itself if alone."""
    numbers = alive.nonzero()[:, 0]
    order = numbers[torch.randperm(len(numbers), generator=draw)]
    other = torch.arange(len(alive))
    other[order] = order.roll(1)
    return other
