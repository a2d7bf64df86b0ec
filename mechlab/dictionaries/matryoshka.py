"""Matryoshka dictionary: BatchTopK whose first features must reconstruct without the rest, at several nested widths.

1. Keep the codes that BatchTopK keeps; each belongs to the level its feature is in.
2. Sum every vector's kept codes level by level, in one pass over them.
3. A prefix's reconstruction is the running sum of its levels' parts plus `b_dec`.
4. The loss is the sum of all prefixes' squared errors, plus the auxiliary loss of dead features.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor

from mechlab.core.shapes import Inputs, Targets
from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.dictionaries.dictionary import mean_squared_error
from mechlab.dictionaries.sparse import Kept, decode_kept

USUAL_DIVISORS = (16, 8, 4, 2, 1)


class MatryoshkaConfig(BatchTopKConfig):
    """The nested prefixes."""

    widths: tuple[PositiveInt, ...] | None = Field(
        default=None,
        description="Features of each prefix, the last of all. Left out: 1/16, 1/8, 1/4, 1/2 and all of them.",
    )
    aux_loss_per_level: bool = Field(
        default=False,
        description="Revive dead features by what their own prefix leaves over, not by what the whole does.",
    )

    @field_validator("widths")
    @classmethod
    def _widths_nest(cls, value: tuple[int, ...] | None, info: Any) -> tuple[int, ...] | None:
        d_sae = info.data.get("d_sae")
        if value is None or d_sae is None:
            return value
        if any(wide <= narrow for narrow, wide in itertools.pairwise(value)) or value[-1:] != (d_sae,):
            raise ValueError(f"widths ascend strictly and end in d_sae = {d_sae}")
        return value

    @property
    def levels(self) -> tuple[range, ...]:
        """The features each prefix adds to the one before."""
        widths = self.widths or sorted({self.d_sae // divisor for divisor in USUAL_DIVISORS} - {0})
        return tuple(range(start, stop) for start, stop in itertools.pairwise((0, *widths)))


class MatryoshkaDictionary(BatchTopKDictionary):
    """The first features are trained to stand alone, so that they stay general while later ones specialise.

    Source: Bussmann et al. 2025, "Learning Multi-Level Features with Matryoshka Sparse Autoencoders", section 3; the
    usual widths are those of its authors' code. As in SAELens, prefixes' errors are summed, not averaged, and the
    auxiliary loss is not divided by the remainder's variance.
    """

    kind = "matryoshka"
    Config = MatryoshkaConfig
    config: MatryoshkaConfig
    saelens_architectures = ("matryoshka_batchtopk",)
    parallel = frozenset({"rows"})  # a prefix is one of the whole dictionary: its features are not shared out

    def errors(
        self, values: Float[Tensor, "n_kept"], kept: Kept, inputs: Inputs, targets: Targets, dead: Bool[Tensor, "d_sae"]
    ) -> tuple[dict[str, Tensor], Targets]:
        """Return the parts of the loss, `mse` that of the whole, and the whole reconstruction."""
        *inner, whole = prefixes = self.prefixes(values, kept)
        parts = {"mse": mean_squared_error(whole, targets)}
        for level, prefix in zip(self.config.levels, inner, strict=False):
            parts[f"mse_{level.stop}"] = mean_squared_error(prefix, targets)
        if self.config.aux_loss_coefficient > 0 and self.config.aux_loss_per_level:
            parts["aux"] = self._revival_by_level(inputs, [targets - prefix for prefix in prefixes], dead)
        elif self.config.aux_loss_coefficient > 0:
            parts["aux"] = self.revival_loss(inputs, targets - whole, dead)
        return parts, whole

    def prefixes(self, values: Float[Tensor, "n_kept"], kept: Kept) -> list[Targets]:
        """Return the reconstruction of each prefix from the kept codes, the whole one last."""
        levels = self.config.levels
        parts = decode_kept(values, self.W_dec, split(kept, levels))
        by_level = parts.unflatten(0, (-1, len(levels))).unbind(1)
        return list(itertools.accumulate(by_level[1:], initial=by_level[0] + self.b_dec))

    def _revival_by_level(
        self, inputs: Inputs, left_over: list[Targets], dead: Bool[Tensor, "d_sae"]
    ) -> Float[Tensor, ""]:
        total = inputs.new_zeros(())
        for level, remainder in zip(self.config.levels, left_over, strict=True):
            inside = torch.zeros_like(dead)
            inside[level.start : level.stop] = dead[level.start : level.stop]
            total = total + self.revival_loss(inputs, remainder, inside)
        return total

    @classmethod
    def options_of_saelens(cls, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options, of which SAELens names two otherwise."""
        ours = {"matryoshka_widths": "widths", "use_matryoshka_aux_loss": "aux_loss_per_level"}
        return super().options_of_saelens({ours.get(name, name): value for name, value in cfg.items()})


def split(kept: Kept, levels: tuple[range, ...]) -> Kept:
    """Return the same kept codes with one row per vector and level: level l of vector b is row `b * n_levels + l`.

    A row's features must ascend, as those of `Kept.flat` do.
    """
    n_rows = kept.offsets.numel() - 1
    starts = torch.tensor([level.start for level in levels], device=kept.columns.device)
    rows = torch.arange(n_rows, device=kept.columns.device)
    bounds = (rows[:, None] * kept.d_sae + starts).flatten()
    inner = torch.searchsorted(kept.rows * kept.d_sae + kept.columns, bounds)
    return Kept(kept.columns, torch.cat([inner, kept.offsets[-1:]]), kept.d_sae)
