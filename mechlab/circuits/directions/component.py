"""The direction of a component of a head's OV circuit: what it writes, or what it takes from what it reads."""

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeInt

from mechlab.circuits.channels.causes import refuse_foreign_components
from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.core.config import Config


class ComponentDirection(Config):
    """A singular vector of a head's OV circuit: what the head writes, or what it takes from what it reads.

    Source: Merullo, Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519), components of heads.
    """

    kind: ClassVar[str] = "component"
    needs: ClassVar[tuple[str, ...]] = ()

    layer: NonNegativeInt = Field(description="The head's.")
    head: NonNegativeInt = Field(description="The head's number.")
    number: NonNegativeInt = Field(default=0, description="The component's, from the strongest.")
    side: Literal["write", "read"] = Field(
        default="write",
        description="write: what it writes, at attn_out. read: what it takes, at ln1_normalized.",
    )

    def find(self, material: DirectionMaterial) -> Direction:
        """Return the component's direction; its natural length is the singular value.

        Directions of both sides are turned together: of what it writes, the largest coordinate is positive.

        Raises:
            UsageError: the model has no such head or component, or its norms cannot be folded.
        """
        circuits = material.circuits or head_circuits(material.model)
        refuse_foreign_components(circuits, [(self.layer, self.head, self.number)])
        vectors, site = (
            (circuits.ov.write, f"attn_out.{self.layer}")
            if self.side == "write"
            else (circuits.ov.read, f"ln1_normalized.{self.layer}")
        )
        place = (self.layer, self.head)
        vector = circuits.ov.values[place][self.number] * vectors[place][:, self.number]
        name = f"component {self.layer}.{self.head}.{self.number} ({self.side})"
        details = {"layer": self.layer, "head": self.head, "number": self.number, "side": self.side}
        return directed(material.model, site, vector, self.kind, name, details=details)
