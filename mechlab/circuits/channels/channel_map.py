"""All channels of a model: every pair of heads scored in every mode, how surprising it is, and the best as a list.

A map holds tensors; `channels` picks rows of it, by pair, mode, z or false-discovery rate, and `graph` joins the heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.circuits.channels.head_circuits import MODES, HeadCircuits, Mode, head_circuits
from mechlab.circuits.channels.nulls import Null, Surprise, surprises
from mechlab.circuits.channels.scores import ChannelScores, channel_scores, component_pairs
from mechlab.circuits.channels.thin_svd import degenerate_blocks
from mechlab.circuits.graph import Edge, Graph, Node
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel

Head = tuple[int, int]


@dataclass(frozen=True)
class Channel:
    """One component of a head, and a later head that reads it.

    Attributes:
        sender: layer and head.
        component: its number in the sender's OV circuit, from the strongest.
        receiver: layer and head.
        mode: what the receiver reads it as: `q`, `k` or `v`.
        score: 0 to 1.
        z: standard deviations above the null.
        p: the chance of that.
        q: the share of false discoveries up to here.
        value: the component's singular value.
        share: its part of the sender's squared size.
        block: numbers of the first and the last component whose value is nearly the same; there a single one means
            nothing.
        read_component: the receiver's component that reads it best.
        cosine: between both, signed.
    """

    sender: Head
    component: int
    receiver: Head
    mode: Mode
    score: float
    z: float
    p: float
    q: float
    value: float
    share: float
    block: tuple[int, int]
    read_component: int
    cosine: float

    @property
    def name(self) -> str:
        """Return how it is spoken of: `3.1.0 -> 5.2 q`."""
        (layer, head), (to_layer, to_head) = self.sender, self.receiver
        return f"{layer}.{head}.{self.component} -> {to_layer}.{to_head} {self.mode}"


@dataclass(frozen=True, eq=False)
class ChannelMap:
    """Scores and surprises of all pairs of heads, one entry for each mode."""

    circuits: HeadCircuits
    scores: dict[Mode, ChannelScores]
    surprises: dict[Mode, Surprise]
    null: Null

    def channels(
        self,
        n: int | None = None,
        *,
        sender: Head | None = None,
        receiver: Head | None = None,
        least_z: float | None = None,
        most_q: float | None = None,
    ) -> list[Channel]:
        """Return channels, the most surprising first.

        Args:
            n: how many; None for all.
            sender: only of this head.
            receiver: only to this head.
            least_z: only with at least this z.
            most_q: only with at most this false-discovery rate.

        Raises:
            UsageError: there is no such head.
        """
        picked: list[tuple[float, Mode, Tensor]] = [
            (float(z), mode, place)
            for mode in self.scores
            for z, place in zip(*self._picked(mode, sender, receiver, least_z, most_q, n), strict=True)
        ]
        picked.sort(key=lambda one: -one[0])
        return [self._channel(mode, tuple(place.tolist())) for _, mode, place in picked[:n]]

    def graph(self, channels: Sequence[Channel]) -> Graph:
        """Return heads and components joined by channels; an effect is the channel's z."""
        names = {channel: (_name(channel.sender, channel.component), _name(channel.receiver)) for channel in channels}
        nodes = {names[one][0]: Node(names[one][0], "component", one.sender[0]) for one in channels}
        nodes |= {names[one][1]: Node(names[one][1], "head", one.receiver[0]) for one in channels}
        edges = (Edge(*names[one], one.z, one.mode) for one in channels)
        return Graph(tuple(sorted(nodes.values(), key=lambda node: (node.layer, node.name))), tuple(edges))

    def _picked(
        self,
        mode: Mode,
        sender: Head | None,
        receiver: Head | None,
        least_z: float | None,
        most_q: float | None,
        n: int | None,
    ) -> tuple[Tensor, Int[Tensor, "n 5"]]:
        found = self.surprises[mode]
        kept = ~found.z.isnan()
        for head, axes in ((sender, (0, 1)), (receiver, (3, 4))):
            if head is not None:
                kept &= self._only(head, axes, found.z)
        if least_z is not None:
            kept &= found.z >= least_z
        if most_q is not None:
            kept &= found.q <= most_q
        places, z = kept.nonzero(), found.z[kept]
        order = z.argsort(descending=True)[:n]
        return z[order], places[order]

    def _only(self, head: Head, axes: tuple[int, int], like: Tensor) -> Tensor:
        sizes = self.circuits.n_layers, self.circuits.n_heads
        if not all(0 <= number < size for number, size in zip(head, sizes, strict=True)):
            remedy = f"Layers are 0..{sizes[0] - 1}, heads 0..{sizes[1] - 1}."
            raise UsageError("no such head", value=f"{head[0]}.{head[1]}", remedy=remedy)
        mask = torch.zeros_like(like, dtype=torch.bool)
        place: list[slice | int] = [slice(None)] * 5
        place[axes[0]], place[axes[1]] = head
        mask[tuple(place)] = True
        return mask

    def _channel(self, mode: Mode, place: tuple[int, ...]) -> Channel:
        sender, component, receiver = (place[0], place[1]), place[2], (place[3], place[4])
        values = self.circuits.ov.values[sender]
        blocks = degenerate_blocks(values)
        inside = (blocks == blocks[component]).nonzero()
        cosines = component_pairs(self.circuits, sender, receiver, mode)[component]
        strengths = self.circuits.readers(mode).strengths[receiver]
        best = int((cosines * strengths).abs().argmax())
        found = self.surprises[mode]
        return Channel(
            sender=sender,
            component=component,
            receiver=receiver,
            mode=mode,
            score=float(self.scores[mode].component[place]),
            **{name: float(getattr(found, name)[place]) for name in ("z", "p", "q")},
            value=float(values[component]),
            share=float(values[component] ** 2 / values.square().sum()),
            block=(int(inside[0]), int(inside[-1])),
            read_component=best,
            cosine=float(cosines[best]),
        )


def channel_map(
    model: LanguageModel, *, modes: Sequence[Mode] = MODES, null: Null = "sphere", offset: int = 0, biases: bool = False
) -> ChannelMap:
    """Return all channels between the heads of a model, from its weights alone.

    Args:
        model: whose heads; it is processed on a copy.
        modes: what receivers read: any of `q`, `k` and `v`.
        null: what chance is: `sphere`, `upstream` or `covariance`.
        offset: how many tokens keys stand before queries, where positions are rotations.
        biases: let the side that reads keys count what the queries' biases look for.

    Raises:
        UsageError: the model's norms are not folded and cannot be, or the offset is outside its context.

    Source: Merullo, Eickhoff & Pavlick 2024, "Talking Heads" (arXiv 2406.09519).
    """
    circuits = head_circuits(model, offset=offset, biases=biases)
    return of_circuits(circuits, modes=modes, null=null)


def of_circuits(circuits: HeadCircuits, *, modes: Sequence[Mode] = MODES, null: Null = "sphere") -> ChannelMap:
    """Return all channels between heads whose circuits are known."""
    scores: dict[Mode, ChannelScores] = {mode: channel_scores(circuits, mode) for mode in modes}
    found = surprises(circuits, list(scores.values()), null)
    return ChannelMap(circuits, scores, dict(zip(scores, found, strict=True)), null)


def _name(head: Head, component: int | None = None) -> str:
    return f"head.{head[0]}.{head[1]}" + ("" if component is None else f".{component}")
