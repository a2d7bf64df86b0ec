"""How well the target is rebuilt: explained variance, squared error, cosine, norm ratio."""

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.core.estimate import Estimate
from mechlab.metrics.bootstrap import Totals, Values, estimate, ratio
from mechlab.metrics.metric import Batch, Laws, Metric, RowSums

# The columns of a row's sums: tokens, squared error, cosine, norm ratio, squares about the shift, then the d_out sums
# about the shift.
_N, _ERROR, _COSINE, _NORM, _SQUARES, _SUM = 0, 1, 2, 3, 4, 5


class Reconstruction(Metric):
    """Explained variance over all tokens, and per-token squared error, cosine and norm ratio.

    Explained variance is `1 - sum ||y - y_hat||^2 / sum ||y - mean(y)||^2`, y the target (of an autoencoder, its
    input), the mean taken over every token measured
    (not over a batch) and per coordinate. Sums are float64 and taken about the first batch's mean, so a large mean
    costs no digits: the mean predictor scores 0 and the identity 1.

    Where several sites are rebuilt, `explained_variance.SITE` is that of each alone; in the whole's, those with the
    largest vectors decide.

    Source: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", sec. 2.1 (one minus the fraction of variance
    unexplained). Squared error is summed over coordinates and averaged over tokens, as in SAELens.
    """

    laws: ClassVar[Laws] = {
        "identity": {"explained_variance": (1, 1), "mse": (0, 0), "cosine": (1, 1), "norm_ratio": (1, 1)},
        "zero": {"explained_variance": (-float("inf"), 0), "cosine": (0, 0), "norm_ratio": (0, 0)},
        "mean": {"explained_variance": (0, 0)},
        "random": {"explained_variance": (-float("inf"), -1e-3), "cosine": (-0.5, 0.5)},
    }

    def __init__(self) -> None:
        self._whole = _Sums()
        self._sites: dict[str, _Sums] = {}

    def update(self, batch: Batch) -> None:
        """Add up one batch, row by row, on the CPU in float64."""
        targets, outputs = batch.targets.cpu().double(), batch.outputs.cpu().double()
        counted = batch.scored.cpu()[..., None].double()
        self._whole.update(targets, outputs, counted)
        widths = list(batch.widths.values())
        if widths:
            for site, own, rebuilt in zip(
                batch.widths, targets.split(widths, -1), outputs.split(widths, -1), strict=True
            ):
                self._sites.setdefault(site, _Sums()).update(own, rebuilt, counted)

    def estimates(self, seed: int) -> dict[str, Estimate | None]:
        """Return `explained_variance` of all and of each of several sites, `mse`, `cosine` and `norm_ratio`."""
        sums = self._whole.table()
        tables = {"": sums} | {f".{site}": own.table() for site, own in self._sites.items()}
        return {
            **{f"explained_variance{of}": estimate(one, explained_variance, seed=seed) for of, one in tables.items()},
            "mse": estimate(sums[:, [_ERROR, _N]], ratio, unit="per token", seed=seed),
            "cosine": estimate(sums[:, [_COSINE, _N]], ratio, seed=seed),
            "norm_ratio": estimate(sums[:, [_NORM, _N]], ratio, seed=seed),
        }


class _Sums(RowSums):
    """The sums of rows at one site, or at several side by side."""

    def __init__(self) -> None:
        super().__init__()
        self._shift: Float64[Tensor, "d_out"] | None = None

    def update(
        self,
        targets: Float64[Tensor, "batch pos d_out"],
        outputs: Float64[Tensor, "batch pos d_out"],
        counted: Float64[Tensor, "batch pos 1"],
    ) -> None:
        """Add up one batch."""
        if self._shift is None:
            self._shift = (targets * counted).sum((0, 1)) / counted.sum().clamp(min=1)
        centred = (targets - self._shift) * counted
        per_token = torch.cat([torch.ones_like(counted), _per_token(targets, outputs)], dim=-1) * counted
        squares = centred.square().sum((1, 2))[:, None]
        self.add(torch.cat([per_token.sum(1), squares, centred.sum(1)], dim=1))


def explained_variance(totals: Totals) -> Values:
    """Return one minus squared error over squares about the mean; NaN where the activations do not vary."""
    about_mean = totals[:, _SQUARES] - totals[:, _SUM:].square().sum(1) / totals[:, _N]
    varies = about_mean > 1e-12 * totals[:, _SQUARES]
    return torch.where(varies, 1 - totals[:, _ERROR] / about_mean, torch.nan)


def _per_token(
    targets: Float64[Tensor, "batch pos d_out"], outputs: Float64[Tensor, "batch pos d_out"]
) -> Float64[Tensor, "batch pos 3"]:
    """Return squared error, cosine (0 where either vector is zero) and output norm over target norm."""
    norm_of_target, norm_out = targets.norm(dim=-1), outputs.norm(dim=-1)
    product = norm_of_target * norm_out
    cosine = torch.where(product > 0, (targets * outputs).sum(-1) / product, 0.0)
    norm_ratio = torch.where(norm_of_target > 0, norm_out / norm_of_target, 1.0)
    return torch.stack([(targets - outputs).square().sum(-1), cosine, norm_ratio], dim=-1)
