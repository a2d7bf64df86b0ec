"""A dictionary's features at the ends of a channel: which write along a direction, and which read along it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.channels.alignment import Alignment, align
from mechlab.core.errors import UsageError
from mechlab.dictionaries.dictionary import Dictionary


@dataclass(frozen=True)
class FeatureEnds:
    """A dictionary's features along one direction, as cosines.

    Attributes:
        writers: what features write (rows of `W_dec`); None where they do not write to the residual stream.
        readers: what features read (columns of `W_enc`); None where they do not read the residual stream.
    """

    writers: Alignment | None
    readers: Alignment | None


@torch.no_grad()
def feature_ends(
    dictionary: Dictionary,
    direction: Float[Tensor, "d_model"],
    d_stream: int,
    *,
    writes: bool = True,
    reads: bool = True,
    drawn: Float[Tensor, "n_drawn d_model"] | None = None,
) -> FeatureEnds:
    """Return how far a dictionary's features lie along a direction of the residual stream.

    Args:
        dictionary: of one site or one pair of sites.
        direction: of length one.
        d_stream: dimensions of the sphere that chance draws from; one less than the stream's where it is centred.
        writes: whether what it rebuilds is written to the residual stream.
        reads: whether it reads the residual stream (or that behind a norm, before the gain).
        drawn: unit directions to compare with.

    Raises:
        UsageError: it does neither, or it is as wide as another stream.

    Source: such cosines are the usual reading of weights, between heads as in Merullo, Eickhoff & Pavlick 2024,
    "Talking Heads" (arXiv 2406.09519); the nulls are ours.
    """
    if not (writes or reads):
        what = "dictionary neither reads nor writes the residual stream"
        remedy = "Give a dictionary at a site such as resid_post.2, attn_out.1, or mlp.2."
        raise UsageError(what, value=dictionary.kind, remedy=remedy)
    config = dictionary.config
    for what, asked, width in (("writes", writes, config.width_out), ("reads", reads, config.d_in)):
        if asked and width != len(direction):
            remedy = f"The residual stream has {len(direction)} dimensions; give a dictionary of this model's."
            raise UsageError(f"dictionary {what} vectors of another width", value=width, remedy=remedy)
    return FeatureEnds(
        align(_unit(dictionary.W_dec), direction, d_stream, drawn) if writes else None,
        align(_unit(dictionary.W_enc.T), direction, d_stream, drawn) if reads else None,
    )


def _unit(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    return torch.nn.functional.normalize(vectors.detach().cpu().double(), dim=1)
