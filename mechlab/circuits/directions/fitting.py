"""Directions fitted on examples: what all such kinds have in common.

1. Some groups of examples are held out.
2. The kind fits a vector to the others; it is turned so that it points to the positive ones.
3. Held-out examples are told apart by their projection, against a threshold midway between both classes' means of the
   others (or the kind's own).
4. The same is done with shuffled labels: what a fit of this kind finds where there is nothing to find.

The direction is the one that was scored: it knows nothing of the held-out examples.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeInt
from torch import Tensor

from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.holding_out import held_out
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.circuits.directions.separation import auc, separation
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate


@dataclass(frozen=True, eq=False)
class Fit:
    """A vector of any length, and the projection on its direction above which an example is called positive.

    Without a threshold it is midway between both classes' means.
    """

    vector: Float[Tensor, "d_site"]
    threshold: float | None = None


class FittedKind(Config):
    """A kind of direction that is fitted on examples."""

    kind: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ("site", "examples")

    held_out: float = Field(default=0.3, ge=0, lt=1, description="Share of groups to score on; 0 gives no scores.")
    n_shuffles: NonNegativeInt = Field(default=20, description="Fits on shuffled labels.")
    seed: NonNegativeInt = Field(default=0, description="Of the examples held out, redraws and shuffles.")

    @abstractmethod
    def fit(self, examples: Examples) -> Fit:
        """Return what is fitted to the examples.

        Raises:
            UsageError: the kind cannot be fitted to such examples.
        """

    def find(self, material: DirectionMaterial) -> Direction:
        """Return the direction fitted on the examples that are not held out, with its scores on those that are.

        Its natural length is how far apart both classes' means lie along it.

        Raises:
            UsageError: there are no examples, they are too few or were read elsewhere, or they point nowhere.
        """
        examples = material.own_examples()
        fitted, scored = (examples, None) if self.held_out == 0 else held_out(examples, self.held_out, self.seed)
        unit, threshold = self._pointing(fitted)
        means = _class_means(fitted, unit)
        length = abs(means[0] - means[1])
        scores = {} if scored is None else self._scores(fitted, scored, unit, threshold)
        counts = {"n_positive": fitted.n_positive, "n_negative": fitted.n_negative, "seed": self.seed}
        name = f"{self.kind} at {examples.site}"
        return directed(material.model, examples.site, length * unit, self.kind, name, **counts, **scores)

    def _pointing(self, examples: Examples) -> tuple[Float[Tensor, "d_site"], float]:
        fit = self.fit(examples)
        length = fit.vector.double().norm()
        if not 0 < float(length) < float("inf"):
            remedy = "Both classes may hold the same vectors."
            raise UsageError("examples point nowhere", value=examples.site, remedy=remedy)
        unit = fit.vector.double() / length
        means = _class_means(examples, unit)
        return unit, sum(means) / 2 if fit.threshold is None else fit.threshold

    def _scores(
        self, fitted: Examples, scored: Examples, unit: Float[Tensor, "d_site"], threshold: float
    ) -> dict[str, Estimate | float | None]:
        values = scored.vectors.double() @ unit
        found = separation(scored, values, threshold, self.seed)
        own: dict[str, Estimate | float | None] = {"auc": found.auc, "balanced_accuracy": found.balanced_accuracy}
        if self.n_shuffles == 0:
            return own
        chance = torch.tensor([self._shuffled_auc(fitted, scored, number) for number in range(self.n_shuffles)])
        low, high = (float(chance.quantile(share)) for share in (0.025, 0.975))
        mean = min(max(float(chance.mean()), low), high)
        beaten = int((chance >= auc(values, scored.positive)).sum())
        own["shuffled_auc"] = Estimate(value=mean, low=low, high=high, n=self.n_shuffles)
        return own | {"shuffled_p": (1 + beaten) / (1 + self.n_shuffles)}

    def _shuffled_auc(self, fitted: Examples, scored: Examples, number: int) -> float:
        unit, _ = self._pointing(fitted.shuffled(self.seed + number))
        return auc(scored.vectors.double() @ unit, scored.positive)


def _class_means(examples: Examples, unit: Float[Tensor, "d_site"]) -> tuple[float, float]:
    values = examples.vectors.double() @ unit
    return float(values[examples.positive].mean()), float(values[~examples.positive].mean())
