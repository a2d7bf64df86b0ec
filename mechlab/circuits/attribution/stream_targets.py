"""Directions of the residual stream as targets, at any place and position."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.sources import Sources, sources_of
from mechlab.circuits.attribution.streams import streams
from mechlab.circuits.attribution.targets import Targets, position_of
from mechlab.core.errors import UsageError
from mechlab.models.sites import Site

KINDS = ("resid_pre", "resid_mid", "resid_post")


@torch.no_grad()
def stream_targets(
    frozen: FrozenPass,
    place: str,
    directions: Float[Tensor, "n d_model"],
    positions: Sequence[int] = (-1,),
    *,
    sources: Sources | None = None,
) -> Targets:
    """Return how far the stream goes along each direction, at each position.

    Args:
        frozen: the pass.
        place: `resid_pre.L`, `resid_mid.L` or `resid_post.L`.
        directions: what the stream is multiplied by, as it is: no norm comes between.
        positions: where, counted from the end if negative.
        sources: all that adds to the pass, where it is known already.

    Raises:
        UsageError: there is no such position, or the place is not in the stream.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (any vector may be attributed).
    """
    site = Site.parse(place, frozen.spec)
    if site.kind not in KINDS or site.layer is None:
        remedy = f"Give one of {', '.join(KINDS)} and a layer."
        raise UsageError("place is not in the residual stream", value=place, remedy=remedy)
    seen, is_mid = streams(frozen, sources or sources_of(frozen)), site.kind == "resid_mid"
    layer = site.layer + (site.kind == "resid_post")
    stream = (seen.mid if is_mid else seen.pre)[layer][0]
    where = torch.tensor([position_of(frozen, one) for one in positions], device=frozen.final.device)
    vectors = directions.to(frozen.final).repeat_interleave(len(where), 0)
    places = where.repeat(len(directions))
    values = (stream[places] * vectors).sum(-1)
    zeros = torch.zeros_like(values)
    return Targets(layer, vectors, places, zeros, values, before_heads=not is_mid, through_norm=False)
