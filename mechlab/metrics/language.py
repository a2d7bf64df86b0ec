"""What the model loses when the reconstruction stands in: cross-entropy, loss recovered, divergence."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.metrics.bootstrap import Totals, Values, estimate, ratio
from mechlab.metrics.metric import PASSES, Batch, Laws, Metric, RowSums
from mechlab.metrics.reference import next_token_losses

_N, _CLEAN, _SPLICED, _ZERO, _MEAN, _KL = range(6)
_MIN_ABLATION_NATS = 1e-6
_ANY = float("inf")


class Language(Metric):
    """Next-token cross-entropy in nats under four passes, the share of the ablation's damage avoided, and KL.

    A prediction counts where neither the token it is made at nor the token it predicts is special, and never at a
    row's last token. Loss recovered is `(CE_ablated - CE_spliced) / (CE_ablated - CE_clean)`; it is None where the
    ablation costs less than 1e-6 nats, since nothing was lost that could be recovered. Where several sites are rebuilt,
    NUMBER.SITE is the number with that site alone replaced, and ablated, the others being the model's own.

    Source: Bricken et al. 2023, "Towards Monosemanticity" (loss recovered against zero ablation); the same against
    mean ablation is stricter, and `delta_ce_nats` says what is left unexplained without any ablation.
    """

    laws: ClassVar[Laws] = {
        "identity": {
            "ce_loss_recovered": (1, 1),
            "ce_loss_recovered_mean": (1, 1),
            "delta_ce_nats": (0, 0),
            "kl_nats": (0, 0),
        },
        "zero": {"ce_loss_recovered": (0, 0), "delta_ce_nats": (1e-3, _ANY), "kl_nats": (1e-3, _ANY)},
        "mean": {"ce_loss_recovered_mean": (0, 0), "delta_ce_nats": (1e-3, _ANY), "kl_nats": (1e-3, _ANY)},
        "random": {
            "ce_loss_recovered": (-_ANY, 0.9),
            "ce_loss_recovered_mean": (-_ANY, 0.5),
            "delta_ce_nats": (1e-3, _ANY),
            "kl_nats": (1e-3, _ANY),
            **{f"ce_{name}_nats": (0, _ANY) for name in PASSES},
        },
    }

    def __init__(self) -> None:
        self._sums = RowSums()
        self._alone: dict[str, RowSums] = {}

    def update(self, batch: Batch) -> None:
        """Add up one batch, row by row; the spliced pass's log-probabilities are held beside the clean ones."""
        predicted = predictions_that_count(batch.scored).cpu()
        changed, clean = batch.log_probs("spliced"), batch.log_probs("clean")
        divergence = (clean.exp() * (clean - changed)).sum(-1).cpu().double()
        losses = {name: batch.losses(name) for name in PASSES if name != "spliced"}
        losses["spliced"] = next_token_losses(changed, batch.tokens)
        self._sums.add(_per_row(predicted, [*(losses[name] for name in PASSES), divergence]))
        del changed
        for site in batch.widths:
            alone = [losses["clean"], batch.losses(f"spliced.{site}"), batch.losses(f"zero.{site}")]
            self._alone.setdefault(site, RowSums()).add(_per_row(predicted, alone))

    def estimates(self, seed: int) -> dict[str, Estimate | None]:
        """Return the losses of the four passes, their difference, both recoveries and KL(clean || spliced).

        Where several sites are rebuilt, also the recovery and the difference with each of them replaced alone.
        """
        sums = self._sums.table()
        per_prediction = {f"ce_{name}_nats": sums[:, [_CLEAN + i, _N]] for i, name in enumerate(PASSES)}
        per_prediction["kl_nats"] = sums[:, [_KL, _N]]
        difference = torch.stack([sums[:, _SPLICED] - sums[:, _CLEAN], sums[:, _N]], dim=1)
        return {
            "ce_loss_recovered": estimate(sums[:, [_CLEAN, _SPLICED, _ZERO, _N]], loss_recovered, seed=seed),
            "ce_loss_recovered_mean": estimate(sums[:, [_CLEAN, _SPLICED, _MEAN, _N]], loss_recovered, seed=seed),
            "delta_ce_nats": estimate(difference, ratio, unit="nats", seed=seed),
            **{name: estimate(pair, ratio, unit="nats", seed=seed) for name, pair in per_prediction.items()},
            **{name: one for site, own in self._alone.items() for name, one in _of_site(site, own.table(), seed)},
        }


def loss_recovered(totals: Totals) -> Values:
    """Return the share of the ablation's loss avoided; columns are clean, spliced, ablated loss and their count."""
    clean, spliced, ablated = (totals[:, :3] / totals[:, 3:]).unbind(1)
    lost = ablated - clean
    return torch.where(lost.abs() > _MIN_ABLATION_NATS, (ablated - spliced) / lost, torch.nan)


def _of_site(site: str, sums: Float64[Tensor, "n_rows 4"], seed: int) -> Iterator[tuple[str, Estimate | None]]:
    recovered = estimate(sums[:, [_CLEAN, _SPLICED, _ZERO, _N]], loss_recovered, seed=seed)
    yield f"ce_loss_recovered.{site}", recovered
    difference = torch.stack([sums[:, _SPLICED] - sums[:, _CLEAN], sums[:, _N]], dim=1)
    yield f"delta_ce_nats.{site}", estimate(difference, ratio, unit="nats", seed=seed)


def predictions_that_count(scored: Bool[Tensor, "batch pos"]) -> Bool[Tensor, "batch predictions"]:
    """Return, for each position but the last, whether both it and the token after it count."""
    return scored[:, :-1] & scored[:, 1:]


def _per_row(
    predicted: Bool[Tensor, "batch predictions"], numbers: list[Float64[Tensor, "batch predictions"]]
) -> Float64[Tensor, "batch n_sums"]:
    """Return the number of each row's predictions that count, then the sum of each number over them."""
    per_token = torch.stack([torch.ones_like(numbers[0]), *numbers], dim=-1)
    return (per_token * predicted[..., None]).sum(1)
