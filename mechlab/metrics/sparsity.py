"""How sparse the codes are: L0, density, and the share of features that stayed silent."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.metrics.bootstrap import estimate, ratio
from mechlab.metrics.metric import Batch, Laws, Metric, RowSums

_NORMAL_95 = 1.959964


class FeatureUse:
    """Counts of every feature's firing: tokens, rows, and the last row it fired in."""

    def __init__(self) -> None:
        self.n_tokens = 0
        self.n_rows = 0
        self._tokens: Int[Tensor, "d_sae"] | None = None

    def update(self, active: Bool[Tensor, "batch pos d_sae"], n_tokens: int) -> None:
        """Count one batch; `active` is already False on tokens that do not count."""
        if self._tokens is None:
            self._tokens, self._rows, self._last = torch.zeros(3, active.shape[-1], dtype=torch.int64).unbind()
        in_row = active.any(1)
        self._tokens += active.sum((0, 1)).cpu()
        self._rows += in_row.sum(0).cpu()
        row, feature = in_row.cpu().nonzero(as_tuple=True)
        self._last.scatter_reduce_(0, feature, row + self.n_rows, "amax")
        self.n_tokens += n_tokens
        self.n_rows += len(active)

    @property
    def density(self) -> Float64[Tensor, "d_sae"]:
        """The share of counted tokens each feature fired on."""
        assert self._tokens is not None, "no batch was counted"
        return self._tokens.double() / max(self.n_tokens, 1)

    def silent_share(self) -> Estimate:
        """Return the share of features that never fired, with a jackknife interval over rows.

        Redrawn rows hold fewer distinct rows, so a bootstrap would call features dead that are not. Leaving one
        row out makes exactly those features silent that fired in no other row; that spread is the interval.
        """
        assert self._tokens is not None, "no batch was counted"
        d_sae, n = len(self._tokens), self.n_rows
        only_here = torch.bincount(self._last[self._rows == 1], minlength=n).double() / d_sae
        spread = _NORMAL_95 * ((n - 1) / n * (only_here - only_here.mean()).square().sum()).sqrt().item()
        value = (self._tokens == 0).double().mean().item()
        unit = f"of {d_sae:,} in {self.n_tokens:,} tokens"
        return Estimate(value=value, low=max(0.0, value - spread), high=min(1.0, value + spread), n=n, unit=unit)


class Sparsity(Metric):
    """L0, mean density and dead share, and the density of each feature.

    Source: Bricken et al. 2023, "Towards Monosemanticity", Feature density; dead means silent in the rows measured,
    so the number of tokens is part of the unit.
    """

    laws: ClassVar[Laws] = {
        "identity": {"l0": (1, float("inf")), "density": (0.99, 1), "dead_share": (0, 0)},
        "zero": {"l0": (0, 0), "density": (0, 0), "dead_share": (1, 1)},
        "mean": {"l0": (0, 0), "density": (0, 0), "dead_share": (1, 1)},
        "random": {"density": (0, 1), "dead_share": (0, 1)},
    }

    def __init__(self) -> None:
        self._use = FeatureUse()
        self._sums = RowSums()

    def update(self, batch: Batch) -> None:
        """Count the codes that are not zero, token by token."""
        active = (batch.codes != 0) & batch.scored[..., None]
        self._sums.add(_per_row(active, batch.scored))
        self._use.update(active, int(batch.scored.sum()))
        self._d_sae = active.shape[-1]

    def estimates(self, seed: int) -> dict[str, Estimate | None]:
        """Return `l0` (active features per token), `density` (l0 as a share) and `dead_share`."""
        sums = self._sums.table()
        share = sums / torch.tensor([self._d_sae, 1.0], dtype=torch.float64)
        return {
            "l0": estimate(sums, ratio, unit="per token", seed=seed),
            "density": estimate(share, ratio, unit="of features", seed=seed),
            "dead_share": self._use.silent_share(),
        }

    def per_feature(self) -> dict[str, Float64[Tensor, "d_sae"]]:
        """Return `density`: the share of tokens each feature fires on."""
        return {"density": self._use.density}


def _per_row(active: Bool[Tensor, "batch pos d_sae"], scored: Bool[Tensor, "batch pos"]) -> Float64[Tensor, "batch 2"]:
    return torch.stack([active.sum((1, 2)), scored.sum(1)], dim=1).cpu().double()
