"""The factors that bring vectors to norm `sqrt(width)` in training: one for each end, or for each layer of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.dictionaries.dictionary import Dictionary


@dataclass(frozen=True)
class Scales:
    """As many factors of the inputs, and of the targets, as there are parts scaled each by itself."""

    inputs: tuple[float, ...] = (1.0,)
    targets: tuple[float, ...] = (1.0,)

    def of_inputs(self, rows: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch d_in"]:
        """Return inputs in the units of training."""
        return scaled(rows, self.inputs)

    def of_targets(self, rows: Float[Tensor, "batch d_out"]) -> Float[Tensor, "batch d_out"]:
        """Return targets in the units of training."""
        return scaled(rows, self.targets)

    def fold_into(self, dictionary: Dictionary) -> None:
        """Make a dictionary trained in these units take raw vectors."""
        dictionary.fold_layer_scales(self.inputs, self.targets)

    def numbers(self) -> dict[str, float]:
        """Return what a state holds of them, by name."""
        ends = {"input_scale": self.inputs, "target_scale": self.targets}
        return {f"{name}{ending}": value for name, end in ends.items() for ending, value in _endings(end).items()}

    @staticmethod
    def from_numbers(numbers: Mapping[str, float], n: int) -> "Scales":
        """Return the scales that a state holds of `n` parts."""
        endings = _endings((1.0,) * n)
        inputs, targets = (
            tuple(numbers[f"{name}{end}"] for end in endings) for name in ("input_scale", "target_scale")
        )
        return Scales(inputs, targets)


def scaled(rows: Float[Tensor, "batch width"], factors: tuple[float, ...]) -> Float[Tensor, "batch width"]:
    """Return rows whose equal parts are multiplied each by its factor."""
    if len(factors) == 1:
        return rows * factors[0]
    return rows * torch.tensor(factors, device=rows.device, dtype=rows.dtype).repeat_interleave(
        rows.shape[1] // len(factors)
    )


def _endings(factors: tuple[float, ...]) -> dict[str, float]:
    return {"": factors[0]} if len(factors) == 1 else {f".{place}": value for place, value in enumerate(factors)}
