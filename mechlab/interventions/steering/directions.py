"""Aims: along which direction a step changes what is at a site, whatever the direction is known from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.dictionaries.codebook import NO_CODE
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.steering.features import Features, Sources
from mechlab.interventions.steering.parts import ComponentPart
from mechlab.models.language_model import LanguageModel
from mechlab.models.site_width import site_width
from mechlab.models.sites import Site


@dataclass(frozen=True, eq=False)
class Aim:
    """A direction at a place.

    Attributes:
        site: where the change is made.
        direction: of any length, in the space of what is read.
        read: what the part along the direction is taken of; None is what stands at the site.
        turn: from a direction to what is written along it.
    """

    site: Site
    direction: Float[Tensor, "width_read"]
    read: Site | None = None
    turn: Callable[[Tensor], Tensor] | None = None


def named_direction(name: str, sources: Sources, width: int, place: str) -> Float[Tensor, "width"]:
    """Return the vector that is given under a name, in float64.

    Raises:
        UsageError: there is none, it has another width than its place, or it is not finite.
    """
    found = sources.get(name)
    if not isinstance(found, Tensor):
        remedy = f"Given are: {', '.join(sources) or 'none'}."
        raise UsageError("no vector is given under this name", value=name, remedy=remedy)
    if found.shape != (width,):
        value = len(found) if found.ndim == 1 else list(found.shape)
        raise UsageError("direction does not fit the site", value=value, remedy=f"{place} has width {width}.")
    if not bool(found.isfinite().all()):
        raise UsageError("direction is not finite", value=name, remedy="Check how it was made.")
    return found.to("cpu", torch.float64)


@torch.no_grad()
def aim_of_feature(features: Features, feature: int) -> Aim:
    """Return the aim along what one unit of a feature's code writes, at the first place it writes to.

    Raises:
        UsageError: there is no such feature.
    """
    site = features.targets[0]
    rows = features.writers(torch.tensor([features.checked(feature)]), site)
    assert rows is not None
    return Aim(site, rows[0].to("cpu", torch.float64))


@torch.no_grad()
def aim_of_code(model: LanguageModel, place: str, code: int) -> Aim:
    """Return the aim along what a code adds where it stands in one slot.

    Raises:
        UsageError: there is no codebook at the place, or no such code in it.
    """
    book = codebooks_of(model).codebook_at(place)
    config = book.config
    if code >= config.n_all:
        raise UsageError(f"no such code at {place}", value=code, remedy=f"Codes are 0..{config.n_all - 1}.")
    ids = torch.full((1, config.n_groups, config.k), NO_CODE, device=book.codes.device)
    ids[0, code // config.n_codes, 0] = code
    return Aim(Site.parse(place, model.spec), book.decode(ids)[0].to("cpu", torch.float64))


def aim_of_component(model: LanguageModel, part: ComponentPart, sources: Sources) -> Aim:
    """Return the aim along what a head writes, or along what its queries look for.

    Raises:
        UsageError: there is no such head or vector, or queries are looked for behind a norm that is not folded.
    """
    head = Site.parse(f"head.{part.layer}.{part.head}", model.spec)
    direction = named_direction(part.name, sources, model.spec.d_model, str(head))
    if part.circuit == "ov":
        return Aim(head, direction)
    if "fold_norm" not in model.processing:
        remedy = "Pass the copy that processed(model) gives."
        raise UsageError("what queries look at is steered behind a folded norm", value=model.name, remedy=remedy)
    site, read = (Site.parse(f"{kind}.{part.layer}", model.spec) for kind in ("q", "ln1_normalized"))
    matrix = model.weights().layers[part.layer].W_Q[part.head].to("cpu", torch.float64)
    width, start = site_width(site, model.spec), part.head * model.spec.d_head
    return Aim(site, direction, read, partial(_placed, matrix, width, start))


def codebooks_of(model: LanguageModel) -> CodebookModel:
    """Return the model as one with codebooks.

    Raises:
        UsageError: it has none.
    """
    if not isinstance(model, CodebookModel):
        raise UsageError("model has no codebooks", value=model.name, remedy="Steer a CodebookModel by codes.")
    return model


def _placed(matrix: Tensor, width: int, start: int, direction: Tensor) -> Tensor:
    """Return what one head's queries gain, among those of all heads."""
    turned = direction @ matrix
    return torch.nn.functional.pad(turned, (start, width - start - len(turned)))
