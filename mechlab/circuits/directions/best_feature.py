"""The feature that, turned up, best makes the model say what it promotes: chosen among many by its output score."""

from typing import ClassVar

import torch
from pydantic import Field, NonNegativeInt

from mechlab.circuits.directions.direction import Direction
from mechlab.circuits.directions.feature import feature_rows, n_features_of, written_by
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.circuits.directions.output_scores import OutputScoring, output_scores
from mechlab.core.config import Config
from mechlab.core.errors import UsageError


class BestFeature(Config):
    """The feature with the highest output score: turned up, it best makes the model say what it promotes."""

    kind: ClassVar[str] = "best_feature"
    needs: ClassVar[tuple[str, ...]] = ("site", "dictionary", "largest")

    among: tuple[NonNegativeInt, ...] | None = Field(
        default=None,
        description="Features to choose from, such as those that detect something. Left out: all.",
    )
    layer: NonNegativeInt | None = Field(default=None, description="Of a set of transcoders.")
    scoring: OutputScoring = Field(default=OutputScoring(), description="The prompt, and how features are turned up.")

    def find(self, material: DirectionMaterial) -> Direction:
        """Return the direction of the best feature; its score and how many were tried are among its details.

        Raises:
            UsageError: there is no dictionary or feature, the largest activations are missing or of other features, or
                none of the features fires.
        """
        n_features, largest = n_features_of(material, self.layer), material.need("largest")
        if len(largest) != n_features:
            remedy = f"There are {n_features} features."
            raise UsageError("largest activations are of other features", value=len(largest), remedy=remedy)
        numbers = range(n_features) if self.among is None else self.among
        if not numbers:
            raise UsageError("no features to choose from", value="none", remedy="Name some, or leave it out for all.")
        site, rows = feature_rows(material, numbers, self.layer)
        scores = output_scores(material.model, site, rows, largest[list(numbers)], self.scoring)
        best = int(scores.argmax())
        if scores[best] == 0:
            remedy = "Their largest activations are 0; find them on more text."
            raise UsageError("none of the features fires", value=len(numbers), remedy=remedy)
        details = {"output_score": float(scores[best]), "n_tried": len(numbers)}
        details["largest"] = float(torch.as_tensor(largest)[numbers[best]])
        return written_by(material, site, rows[best], numbers[best], self.kind, **details)
