"""A feature drawn from a dictionary, as long as what it is held against: what any feature would do."""

from typing import ClassVar

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat

from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.feature import feature_rows, n_features_of
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator


class RandomFeature(Config):
    """A feature drawn evenly from those that write anything, and, where it is known, that ever fire."""

    kind: ClassVar[str] = "random_feature"
    needs: ClassVar[tuple[str, ...]] = ("site", "dictionary")

    seed: NonNegativeInt = Field(default=0, description="Of the draw.")
    length: PositiveFloat | None = Field(
        default=None, description="Its natural length. Left out: what one unit of its activation adds."
    )
    but_not: tuple[NonNegativeInt, ...] = Field(
        default=(), description="Features that are not drawn, such as the one it is held against."
    )
    layer: NonNegativeInt | None = Field(default=None, description="Of a set of transcoders.")

    def find(self, material: DirectionMaterial) -> Direction:
        """Return the feature's direction.

        Raises:
            UsageError: there is no dictionary, it does not fit the site, or no feature is left to draw.
        """
        n_features = n_features_of(material, self.layer)
        site, rows = feature_rows(material, range(n_features), self.layer)
        left = rows.norm(dim=1) > 0
        if material.largest is not None:
            left &= material.largest > 0
        left[[feature for feature in self.but_not if feature < n_features]] = False
        numbers = left.nonzero().squeeze(1)
        if not len(numbers):
            raise UsageError("no feature is left to draw", value=n_features, remedy="Leave fewer out.")
        drawn = torch.randint(len(numbers), (), generator=torch_generator(self.seed, f"random feature at {site}"))
        feature = int(numbers[drawn])
        row = rows[feature].double()
        vector = row if self.length is None else self.length * row / row.norm()
        name, facts = f"random feature {feature} at {site}", {"seed": self.seed, "details": {"feature": feature}}
        return directed(material.model, site, vector, self.kind, name, **facts)
