"""All channels of a model: every pair of heads scored in every mode, how surprising it is, and the best as a list.

A map holds tensors; `channels` picks rows of it, by pair, mode, z or false-discovery rate, and `graph` joins the heads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.circuits.channels.channel import Channel
from mechlab.circuits.channels.columns import ChannelColumns, columns_at, kept
from mechlab.circuits.channels.head_circuits import HeadCircuits, head_circuits
from mechlab.circuits.channels.nulls import Null, Surprise, surprises
from mechlab.circuits.channels.scores import ChannelScores, channel_scores
from mechlab.circuits.graph import Edge, Graph, Node
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import MODES, Head, Mode


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
        columns = self._columns(
            {mode: self._picked(mode, sender, receiver, least_z, most_q, n) for mode in self.scores}
        )
        return [columns.channel(row) for row in range(len(columns))[:n]]

    def columns(self, least_z: float) -> ChannelColumns:
        """Return all channels with at least this z, and the best component of every pair of heads in every mode."""
        return self._columns({mode: kept(found.z, least_z).nonzero() for mode, found in self.surprises.items()})

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
    ) -> Int[Tensor, "n 5"]:
        found = self.surprises[mode]
        fits = ~found.z.isnan()
        for head, axes in ((sender, (0, 1)), (receiver, (3, 4))):
            if head is not None:
                fits &= self._only(head, axes, found.z)
        if least_z is not None:
            fits &= found.z >= least_z
        if most_q is not None:
            fits &= found.q <= most_q
        return fits.nonzero()[found.z[fits].argsort(descending=True)[:n]]

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

    def _columns(self, places: Mapping[Mode, Int[Tensor, "n 5"]]) -> ChannelColumns:
        return columns_at(self.circuits, self.scores, self.surprises, places)


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
