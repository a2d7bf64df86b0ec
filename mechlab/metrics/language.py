"""What the model loses when the reconstruction stands in: cross-entropy, loss recovered, divergence."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.metrics.bootstrap import Totals, Values, estimate, ratio
from mechlab.metrics.metric import PASSES, Batch, Laws, Metric, RowSums

_N, _CLEAN, _SPLICED, _ZERO, _MEAN, _KL = range(6)
_MIN_ABLATION_NATS = 1e-6
_ANY = float("inf")


class Language(Metric):
    """Next-token cross-entropy in nats under four passes, the share of the ablation's damage avoided, and KL.

    A prediction counts where neither the token it is made at nor the token it predicts is special, and never at a
    row's last token. Loss recovered is `(CE_ablated - CE_spliced) / (CE_ablated - CE_clean)`; it is None where the
    ablation costs less than 1e-6 nats, since nothing was lost that could be recovered.

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

    def update(self, batch: Batch) -> None:
        """Add up one batch, row by row; one pass's logits are held beside the clean ones."""
        predicted = predictions_that_count(batch.scored).cpu()
        clean = _log_probs(batch, "clean")
        columns = [torch.ones_like(predicted, dtype=torch.float64), _cross_entropy(clean, batch.tokens)]
        divergence = torch.zeros_like(columns[0])
        for name in PASSES[1:]:
            changed = _log_probs(batch, name)
            columns.append(_cross_entropy(changed, batch.tokens))
            if name == "spliced":
                divergence = (clean.exp() * (clean - changed)).sum(-1).cpu().double()
        per_token = torch.stack([*columns, divergence], dim=-1)
        self._sums.add((per_token * predicted[..., None]).sum(1))

    def estimates(self, seed: int) -> dict[str, Estimate | None]:
        """Return the losses of the four passes, their difference, both recoveries and KL(clean || spliced)."""
        sums = self._sums.table()
        per_prediction = {f"ce_{name}_nats": sums[:, [_CLEAN + i, _N]] for i, name in enumerate(PASSES)}
        per_prediction["kl_nats"] = sums[:, [_KL, _N]]
        difference = torch.stack([sums[:, _SPLICED] - sums[:, _CLEAN], sums[:, _N]], dim=1)
        return {
            "ce_loss_recovered": estimate(sums[:, [_CLEAN, _SPLICED, _ZERO, _N]], loss_recovered, seed=seed),
            "ce_loss_recovered_mean": estimate(sums[:, [_CLEAN, _SPLICED, _MEAN, _N]], loss_recovered, seed=seed),
            "delta_ce_nats": estimate(difference, ratio, unit="nats", seed=seed),
            **{name: estimate(pair, ratio, unit="nats", seed=seed) for name, pair in per_prediction.items()},
        }


def loss_recovered(totals: Totals) -> Values:
    """Return the share of the ablation's loss avoided; columns are clean, spliced, ablated loss and their count."""
    clean, spliced, ablated = (totals[:, :3] / totals[:, 3:]).unbind(1)
    lost = ablated - clean
    return torch.where(lost.abs() > _MIN_ABLATION_NATS, (ablated - spliced) / lost, torch.nan)


def predictions_that_count(scored: Bool[Tensor, "batch pos"]) -> Bool[Tensor, "batch predictions"]:
    """Return, for each position but the last, whether both it and the token after it count."""
    return scored[:, :-1] & scored[:, 1:]


def _log_probs(batch: Batch, name: str) -> Float[Tensor, "batch predictions d_vocab"]:
    return batch.logits(name)[:, :-1].float().log_softmax(-1)


def _cross_entropy(
    log_probs: Float[Tensor, "batch predictions d_vocab"], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch predictions"]:
    return -log_probs.gather(-1, tokens[:, 1:, None].long())[..., 0].cpu().double()
