"""A direction drawn evenly from all there are at a site: what any vector of its length would do."""

from typing import ClassVar

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat

from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.core.config import Config
from mechlab.core.randomness import torch_generator
from mechlab.models.site_width import site_width
from mechlab.models.sites import Site


class RandomDirection(Config):
    """A direction drawn from the sphere; a site and a seed give one direction."""

    kind: ClassVar[str] = "random"
    needs: ClassVar[tuple[str, ...]] = ("site",)

    seed: NonNegativeInt = Field(default=0, description="Of the draw.")
    length: PositiveFloat = Field(default=1.0, description="Its natural length: that of what it is held against.")

    def find(self, material: DirectionMaterial) -> Direction:
        """Return the direction.

        Raises:
            UsageError: there is no site.
        """
        place = Site.parse(material.need("site"), material.model.spec)
        generator = torch_generator(self.seed, f"random direction at {place}")
        drawn = torch.randn(site_width(place, material.model.spec), generator=generator, dtype=torch.float64)
        vector, name = self.length * drawn / drawn.norm(), f"random {self.seed} at {place}"
        return directed(material.model, place, vector, self.kind, name, seed=self.seed)
