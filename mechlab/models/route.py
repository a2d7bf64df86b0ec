"""A route: the sites whose activations a dictionary reads, and the sites whose activations it rebuilds from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.models.sites import Site, all_sites
from mechlab.models.spec import ModelSpec

ARROW = "->"
MLP = "mlp"


@dataclass(frozen=True)
class Route:
    """Sites read, and sites rebuilt; without targets of its own a dictionary rebuilds what it reads.

    Several sites stand side by side, in the order given.
    """

    inputs: tuple[Site, ...]
    targets: tuple[Site, ...] = ()

    def __str__(self) -> str:
        ends = (self.inputs, self.targets) if self.targets else (self.inputs,)
        return f" {ARROW} ".join(",".join(map(str, end)) for end in ends)

    @property
    def rebuilt(self) -> tuple[Site, ...]:
        """The sites at which a dictionary's output can stand in."""
        return self.targets or self.inputs

    @property
    def sites(self) -> tuple[Site, ...]:
        """All sites, those read first."""
        return self.inputs + self.targets

    @staticmethod
    def of(place: "str | Site | Route", spec: ModelSpec, target: str | None = None) -> "Route":
        """Return the route that a text stands for.

        `resid_post.2` rebuilds what it reads; `mlp.1` goes from what enters the MLP (normalised, before the norm's
        gain) to what it adds to the residual stream; `A -> B` goes from A to B. Several sites are parted by commas;
        `mlp` stands for the MLP of every layer.

        Args:
            place: the sites read, or a whole route.
            spec: of the model.
            target: the sites rebuilt, where `place` does not say.

        Raises:
            UnknownName: this model has no such site.
            UsageError: a target is what is read, or comes before it; a site is there twice; or of as many targets as
                inputs one comes before its own input, or a pair before one that the forward pass reaches earlier.
        """
        if isinstance(place, Route):
            return place
        text, arrow, end = str(place).partition(ARROW)
        if arrow and target is not None:
            raise UsageError("target is given twice", value=target, remedy=f"The site already says {ARROW}{end}.")
        target = end if arrow else target
        if target is None:
            text, target = _mlp_ends(text.strip(), spec) or (text, None)
        route = Route(_sites(text, spec), () if target is None else _sites(target, spec))
        _refuse_what_cannot_be_computed(route, spec)
        return route


def side_by_side(
    activations: Sequence[Float[Tensor, "*batch _width"]],
) -> Float[Tensor, "*batch width"]:
    """Return the activations of several sites beside one another; a single one as it is, not copied."""
    return activations[0] if len(activations) == 1 else torch.cat(list(activations), dim=-1)


def one_vector_each(
    activations: Mapping[str, Tensor], sites: Sequence[Site]
) -> list[Float[Tensor, "batch pos _width"]]:
    """Return the activations of the sites in order.

    Raises:
        UsageError: a site holds more than one vector per token, as those with an axis for heads do.
    """
    for site in sites:
        if activations[str(site)].ndim != 3:
            remedy = "Take a site with one vector per token, such as resid_post.0 or head.0.0."
            raise UsageError("site holds more than one vector per token", value=str(site), remedy=remedy)
    return [activations[str(site)] for site in sites]


def _sites(text: str, spec: ModelSpec) -> tuple[Site, ...]:
    return tuple(Site.parse(name.strip(), spec) for name in text.split(","))


def _mlp_ends(text: str, spec: ModelSpec) -> tuple[str, str] | None:
    """Return what goes in and comes out of the MLPs that `mlp.L,mlp.M` or `mlp` name, None for other texts."""
    names = [name.strip() for name in text.split(",")] if text != MLP else [f"{MLP}.{i}" for i in range(spec.n_layers)]
    kinds, layers = zip(*(name.partition(".")[::2] for name in names), strict=True)
    if set(kinds) != {MLP} or not all(layer.isdigit() for layer in layers):
        return None
    before = "resid_mid" if spec.normalization == "none" else "ln2_normalized"
    return tuple(",".join(f"{end}.{layer}" for layer in layers) for end in (before, "mlp_out"))  # type: ignore[return-value]


def _refuse_what_cannot_be_computed(route: Route, spec: ModelSpec) -> None:
    if route.targets == route.inputs:
        raise UsageError("target is the site itself", value=str(route.inputs[0]), remedy="Leave the target out.")
    places = {site: place for place, site in enumerate(all_sites(spec))}

    def order(site: Site) -> int:
        return places[_whole(site)]

    paired = len(route.inputs) == len(route.targets)
    for end in (route.inputs, route.targets):
        for early, late in pairwise(end):
            if end.count(late) > 1:
                raise UsageError("site is given twice", value=str(late), remedy="Give every site once.")
            if paired and order(late) < order(early):
                remedy = f"Pairs stand in the order of the forward pass: {late} before {early}."
                raise UsageError("site is out of order", value=str(late), remedy=remedy)
    first = min(route.inputs, key=order)
    for place, target in enumerate(route.targets):
        source = route.inputs[place] if paired else first
        if order(target) < order(source):
            remedy = f"{source} is computed later in the forward pass."
            raise UsageError("target comes before what it is rebuilt from", value=str(target), remedy=remedy)


def _whole(site: Site) -> Site:
    return Site("result", site.layer) if site.kind == "head" else site
