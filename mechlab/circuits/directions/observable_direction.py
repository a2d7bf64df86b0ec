"""The direction that moves an observable: handed back along a path to the stream in front of its first stop."""

from typing import Annotated, ClassVar

from pydantic import Field

from mechlab.circuits.directions.direction import Direction, directed
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.pull_back import observable_directions
from mechlab.circuits.observables.pulling import NormRules
from mechlab.circuits.observables.reading_norms import How
from mechlab.circuits.observables.stops import Stop
from mechlab.core.config import Config, SetElsewhere
from mechlab.core.errors import UsageError


class ObservableDirection(Config):
    """What moves a weighted sum of logits, handed back along a path to the stream in front of its first stop."""

    kind: ClassVar[str] = "observable"
    needs: ClassVar[tuple[str, ...]] = ("points",)

    observable: Annotated[Observable, SetElsewhere()] = Field(description="A weighted sum of logits.")
    path: tuple[str, ...] = Field(
        default=("logits",), description="Stops such as mlp.0,head.2.1,logits: the source first, logits last."
    )
    norms: How = Field(
        default="cheap",
        description="How norms are handed back through: cheap or skip, or at points of a prompt exact or frozen.",
    )

    def find(self, material: DirectionMaterial) -> Direction:
        """Return the direction in front of the path's source; its natural length is what a step of one moves there.

        Raises:
            UnknownName: there is no such stop.
            UsageError: the path is out of order, a point is missing, the points are of several prompts, or the model's
                parts write through norms.

        Source: Observable Propagation (arXiv 2312.16291), section 2.
        """
        for stop, point in (material.points or {}).items():
            if point.stream is not None and point.stream.ndim != 1:
                remedy = "Take the points of one prompt at one position."
                raise UsageError(
                    f"observable has several points at {stop}", value=list(point.stream.shape), remedy=remedy
                )
        pulled = observable_directions(
            material.model, self.observable, self.path, material.points, NormRules.all(self.norms)
        )[-1]
        site = Stop.parse(self.path[0], material.model.spec).stream(material.model.spec)
        name = f"{self.observable.name} through {' -> '.join(self.path)}"
        return directed(material.model, site, pulled.stream, self.kind, name, details={"path": " -> ".join(self.path)})
