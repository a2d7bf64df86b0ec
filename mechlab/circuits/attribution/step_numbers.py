"""All steps that a reader of the stream may go down, numbered.

First come the columns of all sources, then heads by layer, number and position read, then skips by layer, then what
biases add.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mechlab.circuits.attribution.path_filters import OPERATORS, StepPattern
from mechlab.circuits.attribution.paths import Step
from mechlab.circuits.attribution.sources import Sources


@dataclass(frozen=True, eq=False)
class StepNumbers:
    """The numbers of a pass's steps.

    Attributes:
        sources: whose columns come first.
        n_heads: heads of a layer.
    """

    sources: Sources
    n_heads: int

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return self.sources.errors.shape[0]

    @property
    def n_pos(self) -> int:
        """Number of positions."""
        return self.sources.errors.shape[1]

    @property
    def first_head(self) -> int:
        """Return the first number of a head."""
        return self.sources.n_columns

    @property
    def first_skip(self) -> int:
        """Return the first number of a skip."""
        return self.first_head + self.n_layers * self.n_heads * self.n_pos

    @property
    def bias(self) -> int:
        """Return the number of what biases add: the last."""
        return self.first_skip + self.n_layers

    @property
    def n_steps(self) -> int:
        """Number of all."""
        return self.bias + 1

    def heads(self, layer: int) -> slice:
        """Return the numbers of a layer's heads."""
        size = self.n_heads * self.n_pos
        return slice(self.first_head + layer * size, self.first_head + (layer + 1) * size)

    def goes_on(self, numbers: Int[Tensor, "*lead"]) -> Bool[Tensor, "*lead"]:
        """Return which steps read the stream themselves: features, heads and skips."""
        is_feature = numbers < self.sources.starts["errors"]
        return is_feature | ((numbers >= self.first_head) & (numbers < self.bias))

    def step(self, number: int, position: int) -> Step:
        """Return a step to a position by its number."""
        return replace(self._steps[number], position=position)

    def number(self, step: Step) -> int | None:
        """Return the number of a step; None if the pass has none such, as of a feature that is off."""
        return self._numbers.get(step, self._numbers.get(replace(step, position=None)))

    def fitting(self, pattern: StepPattern, positions: Int[Tensor, "n"]) -> Bool[Tensor, "n n_steps"]:
        """Return which steps to these positions fit a pattern."""
        of_position = [one for one in pattern.conditions if one[0] == "position"]
        others = StepPattern(pattern.kind, tuple(one for one in pattern.conditions if one[0] != "position"))
        fits = torch.tensor([others.fits(step) for step in self._steps], device=positions.device)
        is_there = torch.ones_like(positions, dtype=torch.bool)
        for _, comparison, number in of_position:
            is_there = is_there & OPERATORS[comparison](positions, number)
        return is_there[:, None] & fits

    @cached_property
    def _steps(self) -> tuple[Step, ...]:
        """All steps by number; those that lead to any position have none."""
        sources, layers, places = self.sources, range(self.n_layers), range(self.n_pos)
        of_features = (sources.layer.tolist(), sources.position.tolist(), sources.feature.tolist())
        return (
            *(Step("feature", *fields) for fields in zip(*of_features, strict=True)),
            *(Step("error", layer, place) for layer, place in product(layers, places)),
            *(Step("token", None, place) for place in places),
            *(Step("position", None, place) for place in places if sources.positions is not None),
            *(Step("bos", layer, 0) for layer in layers if sources.bos is not None),
            *(
                Step("head", layer, None, head, source)
                for layer, head, source in product(layers, range(self.n_heads), places)
            ),
            *(Step("skip", layer) for layer in layers),
            Step("bias"),
        )

    @cached_property
    def _numbers(self) -> dict[Step, int]:
        return {step: number for number, step in enumerate(self._steps)}
