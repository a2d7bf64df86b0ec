"""A direction: a unit vector at one place of a model, how long it naturally is, and how it was found."""

from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float, Float32
from pydantic import Field, NonNegativeInt
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.models.language_model import LanguageModel
from mechlab.models.site_width import site_width
from mechlab.models.sites import Site

UNIT = 1e-4


class Facts(Config):
    """What is known of how a direction was found.

    Attributes:
        model: the model's fingerprint.
        seed: of whatever was drawn.
        n_positive: labelled vectors it was fitted on that have what it stands for.
        n_negative: and those that have not.
        auc: of projections on held-out vectors: how often one that has it lies higher than one that has not.
        balanced_accuracy: the mean of both classes' shares on the right side of the threshold; chance gives 0.5.
        shuffled_auc: the same AUC where labels were shuffled before the fit: the mean and where 95 % lie.
        shuffled_p: the share of shuffled fits that do as well, this one counted among them.
        details: what the kind alone knows, such as a feature's number.
    """

    model: str = ""
    seed: NonNegativeInt | None = None
    n_positive: NonNegativeInt = 0
    n_negative: NonNegativeInt = 0
    auc: Estimate | None = None
    balanced_accuracy: Estimate | None = None
    shuffled_auc: Estimate | None = None
    shuffled_p: float | None = None
    details: dict[str, int | float | str] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Direction:
    """A unit vector at a site.

    Attributes:
        site: where, by its canonical name.
        vector: of length one.
        scale: its natural length: how far apart the class means lie along it, what one unit of a feature adds, a
            singular value.
        kind: how it was found, a name of the registry; or the format it was read from.
        name: what it is called in tables.
        facts: what is known of how it was found.
    """

    site: str
    vector: Float32[Tensor, "d_site"]
    scale: float
    kind: str
    name: str
    facts: Facts

    def __post_init__(self) -> None:
        if not bool(self.vector.isfinite().all()) or not 0 < self.scale < float("inf"):
            raise UsageError("direction is not finite", value=self.name, remedy="Check what it was found from.")
        if not abs(float(self.vector.double().norm()) - 1) <= UNIT:
            raise UsageError("direction is not of length one", value=float(self.vector.norm()), remedy="Use directed.")

    @property
    def scaled(self) -> Float32[Tensor, "d_site"]:
        """Return the vector at its natural length."""
        return self.scale * self.vector

    def reversed(self) -> "Direction":
        """Return the direction the other way round; its scores are those of the first and are left out."""
        return replace(
            self, vector=-self.vector, name=f"-{self.name}", facts=Facts(model=self.facts.model, seed=self.facts.seed)
        )


def directed(
    model: LanguageModel, site: str | Site, vector: Float[Tensor, "d_site"], kind: str, name: str, **facts: Any
) -> Direction:
    """Return the direction of a vector; its length is the natural one.

    Args:
        model: whose site it is.
        site: where.
        vector: as long as is natural.
        kind: how it was found.
        name: what it is called.
        **facts: fields of `Facts` beside the model's fingerprint.

    Raises:
        UnknownName: this model has no such site.
        UsageError: the vector is zero or not finite.
    """
    own = vector.detach().double().cpu()
    length = float(own.norm())
    if not bool(own.isfinite().all()):
        raise UsageError("direction is not finite", value=name, remedy="Check what it was found from.")
    if length == 0:
        raise UsageError(
            "direction is zero", value=name, remedy="Nothing tells what it was to stand for; take another."
        )
    place = str(Site.parse(site, model.spec))
    return Direction(place, (own / length).float(), length, kind, name, Facts(model=model.fingerprint, **facts))


def refuse_foreign(direction: Direction, model: LanguageModel) -> None:
    """Refuse a direction that is not of this model.

    Raises:
        UnknownName: the model has no such site.
        UsageError: it was found in another model, or has another width than the site.
    """
    if direction.facts.model not in ("", model.fingerprint):
        remedy = f"It is of {direction.facts.model[:12]}, {model.name} is {model.fingerprint[:12]}."
        raise UsageError("direction is of another model", value=direction.name, remedy=remedy)
    width = site_width(Site.parse(direction.site, model.spec), model.spec)
    if len(direction.vector) != width:
        remedy = f"{direction.site} of {model.name} has width {width}."
        raise UsageError("direction does not fit the site", value=len(direction.vector), remedy=remedy)
