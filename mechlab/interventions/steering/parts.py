"""What a step of steering is about: a vector, a feature, a code or a component; tensors are named, never held."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from mechlab.interventions.steering.plain import Plain


class VectorPart(Plain):
    """A direction that is given under a name."""

    kind: Literal["vector"] = "vector"
    name: str


class FeaturePart(Plain):
    """A feature of a dictionary, or of a layer of a set of transcoders, given under a name.

    Attributes:
        dictionary: the name.
        feature: its number; of a set, within the layer.
        layer: of a set of transcoders; None for a single dictionary.
    """

    kind: Literal["feature"] = "feature"
    dictionary: str
    feature: NonNegativeInt
    layer: NonNegativeInt | None = None


class CodePart(Plain):
    """A code of the codebook at the step's site, by its number among all of that codebook."""

    kind: Literal["code"] = "code"
    code: NonNegativeInt


class ComponentPart(Plain):
    """A singular component of a head: what it writes along a direction (`ov`), or its queries look for (`qk`).

    Attributes:
        name: under which the direction, in the residual stream, is given.
    """

    kind: Literal["component"] = "component"
    circuit: Literal["ov", "qk"] = "ov"
    layer: NonNegativeInt
    head: NonNegativeInt
    name: str


Part = Annotated[VectorPart | FeaturePart | CodePart | ComponentPart, Field(discriminator="kind")]
