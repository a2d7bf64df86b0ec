"""Steer along one direction at one site: the shortest way to add it at every position of every pass."""

from contextlib import AbstractContextManager

from jaxtyping import Float
from torch import Tensor

from mechlab.interventions.steering.parts import VectorPart
from mechlab.interventions.steering.spec import SteerSpec, SteerStep
from mechlab.interventions.steering.steer_by import steer_by
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site


def steer(
    model: LanguageModel, site: str | Site, direction: Float[Tensor, "d_site"], strength: float
) -> AbstractContextManager[None]:
    """Return a context in which `strength * direction` is added at the site, at every position of every pass.

    Args:
        model: the model to edit.
        site: where; a kind, such as `resid_post`, stands for that of every layer.
        direction: what to add, as wide as the site; heads side by side.
        strength: in units of the direction's own norm; negative steers away, 0 changes nothing at all.

    Raises:
        UsageError: the strength or direction is not finite, or the direction does not fit the site.
    """
    step = SteerStep(part=VectorPart(name="direction"), strength=strength, sites=(str(site),))
    return steer_by(model, SteerSpec(steps=(step,)), {"direction": direction})
