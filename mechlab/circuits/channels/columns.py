"""Channels as columns: one row each, made from the tensors of scores at once, with no object for each.

1. For a table are kept all channels whose z is large enough, and the best component of every pair in every mode.
2. What reads a component best is found receiver by receiver: cosines of the kept rows with all its directions.
3. Rows of all modes are put in one order, the largest z first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.circuits.channels.channel import Channel
from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.circuits.channels.nulls import Surprise
from mechlab.circuits.channels.scores import ChannelScores
from mechlab.circuits.channels.thin_svd import degenerate_blocks
from mechlab.core.errors import ArtifactError
from mechlab.models.sites import Head, Mode

PLACE = ("sender_layer", "sender_head", "component", "receiver_layer", "receiver_head")
NUMBERS = (*PLACE, "score", "z", "p", "q", "value", "share", "block_first", "block_last", "read_component", "cosine")


@dataclass(frozen=True, eq=False)
class ChannelColumns:
    """Channels in columns, the largest z first.

    Attributes:
        modes: of each row.
        numbers: the other columns, by the names in `NUMBERS`.
    """

    modes: list[Mode]
    numbers: dict[str, Tensor]

    @classmethod
    def restored(cls, columns: Mapping[str, Any]) -> "ChannelColumns":
        """Return the channels from what `columns` gave.

        Raises:
            ArtifactError: a column is missing.
        """
        if lost := [name for name in (*NUMBERS, "mode") if name not in columns]:
            raise ArtifactError("table holds no channels", value=", ".join(lost), remedy="These columns are missing.")
        return cls(list(columns["mode"]), {name: columns[name] for name in NUMBERS})

    def __len__(self) -> int:
        """Return the number of channels."""
        return len(self.modes)

    def columns(self) -> dict[str, Tensor | list[str]]:
        """Return all columns by name, in the order of a table."""
        numbers = dict(self.numbers)
        first = {name: numbers.pop(name) for name in PLACE}
        return {**first, "mode": list(self.modes), **numbers}

    def rows(self, *, sender: Head | None = None, receiver: Head | None = None, modes: Sequence[str] = ()) -> list[int]:
        """Return the numbers of the rows of a sender, a receiver, or some modes, in order."""
        kept = torch.ones(len(self), dtype=torch.bool)
        for side, head in (("sender", sender), ("receiver", receiver)):
            if head is not None:
                kept &= (self.numbers[f"{side}_layer"] == head[0]) & (self.numbers[f"{side}_head"] == head[1])
        if modes:
            kept &= torch.tensor([mode in modes for mode in self.modes], dtype=torch.bool)
        return kept.nonzero().squeeze(1).tolist()

    def channel(self, row: int) -> Channel:
        """Return one row as a channel."""
        own = {name: column[row].item() for name, column in self.numbers.items()}
        layer, head, component, to_layer, to_head = (int(own[name]) for name in PLACE)
        return Channel(
            sender=(layer, head),
            component=component,
            receiver=(to_layer, to_head),
            mode=self.modes[row],
            **{name: float(own[name]) for name in ("score", "z", "p", "q", "value", "share", "cosine")},
            block=(int(own["block_first"]), int(own["block_last"])),
            read_component=int(own["read_component"]),
        )


@torch.no_grad()
def columns_at(
    circuits: HeadCircuits,
    scores: Mapping[Mode, ChannelScores],
    surprises: Mapping[Mode, Surprise],
    places: Mapping[Mode, Int[Tensor, "n 5"]],
) -> ChannelColumns:
    """Return the channels at places of the scores of each mode, the largest z first."""
    parts = [_of_mode(circuits, scores[mode], surprises[mode], own) for mode, own in places.items()]
    joined = {name: torch.cat([part[name] for part in parts]) for name in NUMBERS}
    order = joined["z"].argsort(descending=True, stable=True)
    modes = [mode for mode, own in places.items() for _ in range(len(own))]
    return ChannelColumns([modes[row] for row in order.tolist()], {name: one[order] for name, one in joined.items()})


def kept(z: Float[Tensor, "*sender k n_layers n_heads"], least_z: float) -> Bool[Tensor, "*sender k n_layers n_heads"]:
    """Return which scores are large enough or the best of their pair."""
    best = z.nan_to_num(-torch.inf).argmax(2, keepdim=True)
    return (z >= least_z).scatter(2, best, value=True) & ~z.isnan()


def _of_mode(
    circuits: HeadCircuits, scores: ChannelScores, surprise: Surprise, places: Int[Tensor, "n 5"]
) -> dict[str, Tensor]:
    at = tuple(places.T)
    of_sender = at[:3]
    values, blocks = circuits.ov.values, degenerate_blocks(circuits.ov.values)
    shares = values.square() / values.square().sum(-1, keepdim=True)
    read, cosine = _read_by(circuits, scores.mode, places)
    return {
        **{name: part.int() for name, part in zip(PLACE, at, strict=True)},
        "score": scores.component[at],
        **{name: getattr(surprise, name)[at] for name in ("z", "p", "q")},
        "value": values[of_sender],
        "share": shares[of_sender],
        "block_first": torch.searchsorted(blocks, blocks)[of_sender].int(),
        "block_last": torch.searchsorted(blocks, blocks, right=True)[of_sender].int() - 1,
        "read_component": read.int(),
        "cosine": cosine,
    }


def _read_by(
    circuits: HeadCircuits, mode: Mode, places: Int[Tensor, "n 5"]
) -> tuple[Int[Tensor, "n"], Float[Tensor, "n"]]:
    """Return the receiver's component that reads each row's component best, and the signed cosine of both."""
    readers = circuits.readers(mode)
    receivers = places[:, 3] * circuits.n_heads + places[:, 4]
    order = receivers.argsort(stable=True)
    heads, sizes = receivers[order].unique_consecutive(return_counts=True)
    read, cosine = torch.zeros(len(places), dtype=torch.long), torch.zeros(len(places), dtype=torch.float64)
    for number, rows in zip(heads.tolist(), order.split(sizes.tolist()), strict=True):
        head = divmod(number, circuits.n_heads)
        layer, sender, component = places[rows, :3].T
        writes, directions = circuits.ov.write[layer, sender, :, component], readers.directions[head]
        read[rows] = best = (writes @ directions * readers.strengths[head]).abs().argmax(1)
        cosine[rows] = (writes * directions.T[best]).sum(1)  # row by row: the same whatever rows are beside it
    return read, cosine
