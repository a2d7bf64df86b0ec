"""The mean of the positive examples less the mean of the negative ones."""

from typing import ClassVar

from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.fitting import Fit, FittedKind


class MeanDifference(FittedKind):
    """The mean of the positive examples less the mean of the negative ones; of pairs, the mean of their differences.

    Source: what AxBench calls "DiffMean"; Contrastive Activation Addition takes it at an answer's token.
    """

    kind: ClassVar[str] = "mean_difference"

    def fit(self, examples: Examples) -> Fit:
        """Return the difference of both means."""
        vectors = examples.vectors.double()
        return Fit(vectors[examples.positive].mean(0) - vectors[~examples.positive].mean(0))
