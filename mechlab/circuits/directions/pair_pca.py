"""The direction along which the differences of pairs are largest, taken from zero and not from their mean.

Centred, as principal components usually are, differences lose just what they have in common: the direction asked for.
"""

from typing import ClassVar

import torch

from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.fitting import Fit, FittedKind


class PairPCA(FittedKind):
    """The unit vector with the largest mean squared product with the differences of pairs, turned to the positives.

    It is turned so that the sum of products is positive; where that is zero, to the greater number of pairs.

    Source: `pca_diff` of the package repeng, which centres the differences first; we do not.
    """

    kind: ClassVar[str] = "pair_pca"

    def fit(self, examples: Examples) -> Fit:
        """Return the first right singular vector of the differences.

        Raises:
            UsageError: the examples are not in pairs.
        """
        differences = examples.differences.double()
        first = torch.linalg.svd(differences, full_matrices=False).Vh[0]
        along = differences @ first
        sign = torch.sign(along.sum()) or torch.sign(along.sign().sum()) or torch.ones(())
        return Fit(sign * first)
