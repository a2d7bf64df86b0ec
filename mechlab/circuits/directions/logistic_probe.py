"""A logistic probe: the direction along which the odds of being positive grow, kept short by a quadratic penalty.

1. Vectors are centred and divided by one number, so that their coordinates have mean square one: the penalty then means
   the same at every site.
2. All that can be learned lies in the span of the vectors; where they are fewer than their coordinates, they are
   turned into coordinates of that span.
3. Newton's method minimises the penalised loss in float64, halving a step until the loss falls, until its gradient is
   zero. The loss is strictly convex in the weights, so there is one answer, and nothing is drawn.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float64
from pydantic import Field, PositiveFloat
from torch import Tensor

from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.fitting import Fit, FittedKind
from mechlab.core.errors import UsageError

MOST_STEPS, MOST_HALVINGS = 100, 40
EXACT, NUDGE = 1e-9, 1e-12


class LogisticProbe(FittedKind):
    """The weights of a logistic regression, with the threshold where its odds are even.

    Source: linear probes used as directions, as the package steering-vectors offers them. Our fit is scikit-learn's
    `LogisticRegression(C=1/l2)` on the scaled vectors.
    """

    kind: ClassVar[str] = "logistic_probe"

    l2: PositiveFloat = Field(default=1.0, description="Penalty: half of it times the squared weights, per fit.")

    def fit(self, examples: Examples) -> Fit:
        """Return the weights and the projection at which the odds are even."""
        vectors = examples.vectors.double()
        centre = vectors.mean(0)
        scale = float((vectors - centre).square().mean().sqrt())
        if scale == 0:
            raise UsageError("examples point nowhere", value=examples.site, remedy="All hold the same vector.")
        found = logistic((vectors - centre) / scale, examples.positive, self.l2)
        length = float(found.weights.norm())
        threshold = float(found.weights @ centre) / length - found.bias * scale / length if length > 0 else 0.0
        return Fit(found.weights, threshold)


@dataclass(frozen=True, eq=False)
class Logistic:
    """Weights and bias of a logistic regression."""

    weights: Float64[Tensor, "d"]
    bias: float


def logistic(vectors: Float64[Tensor, "n d"], positive: Bool[Tensor, "n"], l2: float) -> Logistic:
    """Return the minimum of `sum log(1 + exp(-y (w . x + b))) + l2/2 |w|^2` over w and b, y being 1 or -1."""
    few = len(vectors) < vectors.shape[1]
    span = torch.linalg.qr(vectors.T).Q if few else torch.eye(vectors.shape[1], dtype=torch.float64)
    coordinates = torch.cat([vectors @ span, torch.ones(len(vectors), 1, dtype=torch.float64)], dim=1)
    penalty = torch.full((coordinates.shape[1],), l2, dtype=torch.float64)
    penalty[-1] = 0
    labels, point = positive.double(), torch.zeros(coordinates.shape[1], dtype=torch.float64)
    for _ in range(MOST_STEPS):
        odds = (coordinates @ point).sigmoid()
        slope = coordinates.T @ (odds - labels) + penalty * point
        if float(slope.abs().max()) <= EXACT * len(vectors):
            break
        curvature = (coordinates.T * (odds * (1 - odds))) @ coordinates + torch.diag(penalty)
        # The bias has no penalty: where every example is far from even odds, this alone keeps the step finite.
        curvature.diagonal().add_(NUDGE * float(curvature.diagonal().mean()))
        point = _lower(point, torch.linalg.solve(curvature, slope), coordinates, labels, penalty)
    return Logistic(span @ point[:-1], float(point[-1]))


def _lower(point: Tensor, step: Tensor, coordinates: Tensor, labels: Tensor, penalty: Tensor) -> Tensor:
    """Return a point along the step at which the loss is no higher."""

    def loss(at: Tensor) -> float:
        logits = coordinates @ at
        return float(torch.nn.functional.softplus(logits).sum() - labels @ logits + (penalty * at.square()).sum() / 2)

    here = loss(point)
    for halving in range(MOST_HALVINGS):
        there = point - step / 2**halving
        if loss(there) <= here:
            return there
    return point
