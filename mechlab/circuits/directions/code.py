"""The direction of a code of a codebook: what it adds where it stands in one slot."""

from typing import ClassVar

from pydantic import Field, NonNegativeInt

from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.core.config import Config
from mechlab.interventions.steering.directions import aim_of_code


class CodeDirection(Config):
    """A code of the codebook at the material's site, by its number among all of that codebook."""

    kind: ClassVar[str] = "code"
    needs: ClassVar[tuple[str, ...]] = ("site",)

    code: NonNegativeInt = Field(description="Its number among all codes of the codebook at the site.")

    def find(self, material: DirectionMaterial) -> Direction:
        """Return the code's direction, zero outside its group; its natural length is what one slot adds.

        Raises:
            UsageError: the model has no codebook at the site, or there is no such code.
        """
        aim = aim_of_code(material.model, str(material.need("site")), self.code)
        name, details = f"code {self.code} at {aim.site}", {"code": self.code}
        return directed(material.model, aim.site, aim.direction, self.kind, name, details=details)
