"""A steering spec: steps that say what is changed, how, by how much, where and when, as plain data.

Tensors are named in a spec and given beside it when it is applied; figures it depends on are stored in it.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from mechlab.core.config import build
from mechlab.core.errors import ConfigError, UsageError
from mechlab.interventions.steering.operations import ALONG, CODES, FACTORS, Operation
from mechlab.interventions.steering.parts import CodePart, ComponentPart, FeaturePart, Part, VectorPart
from mechlab.interventions.steering.plain import Plain
from mechlab.interventions.steering.span import TokenSpan

Unit = Literal["own", "mean_norm", "max_activation"]


class SteerGate(Plain):
    """A step is made only at tokens where a direction or a feature is above a threshold.

    Attributes:
        part: a direction, whose dot product with the activation is compared as it is given; or a feature with its code.
        above: the threshold.
        site: where a direction is read; None is what the step itself reads, as it comes to the step. Another site must
            come before the step's in the forward pass, and is read as it goes on from there. A feature is read where
            its dictionary reads.
    """

    part: Annotated[VectorPart | FeaturePart, Field(discriminator="kind")]
    above: float = 0.0
    site: str | None = None


class SteerStep(Plain):
    """One change.

    Attributes:
        part: what is changed along, or whose code.
        operation: see `operations`; `add`, `ablate`, `ablate_add`, `project_clamp` and `scale` are made along a
            direction (a feature's is what it writes), `clamp`, `min_clamp` and, for a feature, `scale` of its code.
            `activate` puts a code among those of its site.
        strength: in the unit; of `ablate` the share that is taken away, of `scale` a factor, of `activate` how many
            slots (one, or all of the group's).
        unit: `own`: of the direction's own length, of one unit of a feature's code; `mean_norm`: of the mean norm of
            the activation at the site; `max_activation`: of the feature's largest code, or of the largest dot product
            with the direction at length one.
        unit_sizes: these figures, one, or one for each site; `measured` finds them.
        sites: where, for a vector: names, or kinds that stand for every layer. For a feature the place its dictionary
            was trained at, for a code the codebook's; a component and a set of transcoders know their own.
        span: at which tokens.
        gate: at which of these; None is all.
        keep_norm: bring the changed activation back to the length it had.
        origin: name of a vector that is subtracted before the part along the direction is taken, such as `b_dec`.
    """

    part: Part
    operation: Operation = "add"
    strength: float = 1.0
    unit: Unit = "own"
    unit_sizes: tuple[PositiveFloat, ...] = ()
    sites: tuple[str, ...] = ()
    span: TokenSpan = TokenSpan()
    gate: SteerGate | None = None
    keep_norm: bool = False
    origin: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "SteerStep":
        known = {**ALONG, **CODES} if isinstance(self.part, FeaturePart) else ALONG
        if self.operation not in known and not (isinstance(self.part, CodePart) and self.operation == "activate"):
            remedy = f"Take one of {', '.join(known)}."
            raise ConfigError(f"operation is not made with a {self.part.kind}", value=self.operation, remedy=remedy)
        if self.unit != "own" and self.operation in FACTORS:
            raise ConfigError(f"the strength of {self.operation} has no unit", value=self.unit, remedy="Leave it out.")
        if self.unit == "mean_norm" and not self.along:
            raise ConfigError("codes are in no unit of norms", value=self.unit, remedy="Take own or max_activation.")
        if self.operation == "activate" and (self.gate is not None or self.keep_norm):
            raise ConfigError("codes are put where they are asked", value="activate", remedy="No gate, no keep_norm.")
        if self.origin is not None and (not self.along or self.operation == "add"):
            remedy = "Leave origin out."
            raise ConfigError(f"{self.operation} takes no part along a direction", value=self.origin, remedy=remedy)
        knows = isinstance(self.part, ComponentPart) or (
            isinstance(self.part, FeaturePart) and self.part.layer is not None
        )
        if bool(self.sites) == knows:
            remedy = "Leave sites out." if knows else "Name one, such as resid_post.1."
            what = f"a {self.part.kind} {'knows its own site' if knows else 'needs a site'}"
            raise ConfigError(what, value=list(self.sites), remedy=remedy)
        return self

    @property
    def along(self) -> bool:
        """Whether the step is made along a direction, not of codes."""
        codes = isinstance(self.part, FeaturePart) and self.operation in CODES
        return self.operation in ALONG and not codes


class SteerSpec(Plain):
    """Steps made in every pass: at each site in this order, the sites in the order of the forward pass.

    Neighbouring steps that change codes of different features of one dictionary read one encoding, and what they
    change is added up.

    Attributes:
        steps: what is changed; none at all change nothing.
        model: fingerprint of the model they are for; None fits every model.
    """

    steps: tuple[SteerStep, ...] = ()
    model: str | None = None

    def __add__(self, other: "SteerSpec") -> "SteerSpec":
        """Return the steps of both, those of the other last.

        Raises:
            UsageError: they are for different models.
        """
        models = {one.model for one in (self, other)} - {None}
        if len(models) > 1:
            raise UsageError("specs are for different models", value=other.model, remedy=f"The first is {self.model}.")
        return SteerSpec(steps=self.steps + other.steps, model=models.pop() if models else None)

    def times(self, factor: float) -> "SteerSpec":
        """Return the spec with the strength of every step multiplied."""
        steps = (SteerStep(**{**dict(step), "strength": step.strength * factor}) for step in self.steps)
        return SteerSpec(steps=tuple(steps), model=self.model)

    def to_json(self) -> str:
        """Return the spec as text; `from_json` gives an equal one back."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> "SteerSpec":
        """Return the spec a text stands for.

        Raises:
            ConfigError: the text is not JSON of a spec, a key is unknown, or steps do not fit together.
        """
        try:
            values: Any = json.loads(text)
        except ValueError as error:
            raise ConfigError("steering spec is not JSON", value=str(error)) from None
        if not isinstance(values, dict):
            raise ConfigError("steering spec is not a mapping", value=type(values).__name__, remedy="Give steps.")
        return build(SteerSpec, values)
