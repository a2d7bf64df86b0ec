"""The ends of a channel: what its sender reads and writes, what its receiver hears, and what the receiver does with it.

1. The sender's component reads along u and writes along v (a pair of singular vectors of its OV circuit).
2. The receiver hears along r, the direction it reads the component by best.
3. r has a partner in the receiver's circuit: as value, what the receiver writes of it; as query, the keys that it then
   looks at; as key, the queries that look at it.
4. A pair may be turned round as a whole. The receiver's is turned so that r points the way v does: a positive amount
   at one end is then positive at all of them.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.channels.alignment import Alignment, align
from mechlab.circuits.channels.channel import Channel
from mechlab.circuits.channels.drawn import drawn_like
from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.core.randomness import torch_generator
from mechlab.models.weights import Weights

N_DRAWN = 200


@dataclass(frozen=True, eq=False)
class ChannelEnds:
    """The directions of a channel, each of length one, in the residual stream.

    Attributes:
        read: what the sender's component takes from its input.
        write: what it puts out.
        heard: what the receiver reads it by.
        onward: the partner of `heard`; None where keys are read with the queries' biases, which have none in the
            stream.
        cosine: between `write` and `heard`, not negative.
    """

    read: Float[Tensor, "d_model"]
    write: Float[Tensor, "d_model"]
    heard: Float[Tensor, "d_model"]
    onward: Float[Tensor, "d_model"] | None
    cosine: float


@dataclass(frozen=True)
class TokenEnds:
    """The tokens of a vocabulary at each end.

    Attributes:
        read: their embeddings along what the sender reads, as cosines.
        write: the sender's effect on their logits for one unit written, before the final norm divides.
        onward: as value, the receiver's effect on their logits; else their embeddings along its partner direction.
    """

    read: Alignment
    write: Alignment
    onward: Alignment | None


def channel_ends(circuits: HeadCircuits, channel: Channel) -> ChannelEnds:
    """Return the directions at a channel's ends.

    Source: Merullo, Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519; components); the sign is ours.
    """
    sender, receiver, best = channel.sender, channel.receiver, channel.read_component
    write = circuits.ov.write[sender][:, channel.component]
    heard = circuits.readers(channel.mode).directions[receiver][:, best]
    partners = _partners(circuits, channel)
    cosine = float(write @ heard)
    sign = -1.0 if cosine < 0 else 1.0
    return ChannelEnds(
        read=circuits.ov.read[sender][:, channel.component],
        write=write,
        heard=sign * heard,
        onward=None if partners is None else sign * partners[:, best],
        cosine=abs(cosine),
    )


def token_ends(circuits: HeadCircuits, weights: Weights, channel: Channel, *, seed: int = 0) -> TokenEnds:
    """Return the tokens at a channel's ends, each beside random directions and such as heads of this model have.

    Embeddings are compared as a norm passes them on, without their length. Only in the first layer are they all that a
    head reads, but for positions, which are left out; later ones read more than tokens.

    Args:
        circuits: the heads' circuits.
        weights: of the processed model that the circuits were found in, so that the final norm's gain is in W_U.
        channel: which.
        seed: of the directions drawn.

    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits" (the direct path through a head's
    OV circuit); Merullo, Eickhoff & Pavlick 2024. The nulls are ours.
    """
    ends, ov = channel_ends(circuits, channel), circuits.ov
    embedded = torch.nn.functional.normalize(_centred(weights.W_E.detach(), circuits.d_stream), dim=1)
    unembedded = weights.W_U.detach().T

    def beside(vectors: Tensor, direction: Tensor, alike: Tensor, name: str) -> Alignment:
        drawn = drawn_like(alike, N_DRAWN, torch_generator(seed, f"directions {name}"))
        return align(vectors, direction, circuits.d_stream, drawn)

    partners = _partners(circuits, channel, every=True)
    on = unembedded if channel.mode == "v" else embedded
    return TokenEnds(
        read=beside(embedded, ends.read, ov.read, "read"),
        write=beside(unembedded, ends.write, ov.write, "written"),
        onward=None if ends.onward is None or partners is None else beside(on, ends.onward, partners, "onward"),
    )


def _partners(circuits: HeadCircuits, channel: Channel, *, every: bool = False) -> Tensor | None:
    """Return the partners of what the receiver (or every head) reads in the channel's mode, one a column."""
    if channel.mode == "k" and circuits.keys is not None:
        return None
    side = {"q": circuits.qk.write, "k": circuits.qk.read, "v": circuits.ov.write}[channel.mode]
    return side if every else side[channel.receiver]


def _centred(vectors: Float[Tensor, "n d_model"], d_stream: int) -> Float[Tensor, "n d_model"]:
    return vectors - vectors.mean(1, keepdim=True) if d_stream < vectors.shape[1] else vectors
