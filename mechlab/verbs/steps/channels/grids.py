"""Channels as the page's maps show them: grids over pairs of heads, and the components of each pair.

1. An axis has every head that can send, or receive; of a model with too many, those with the largest z.
2. A cell is the best component of its pair.
3. Components listed for a pair are its best one and, up to a number for the whole page, those of the largest z.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.circuits.channels.channel_map import ChannelMap
from mechlab.circuits.channels.columns import ChannelColumns
from mechlab.models.sites import Head, Mode
from mechlab.verbs.steps.channels.list import block_name
from mechlab.views.channel_data import PairRows

MOST_HEADS = 144
MOST_ROWS = 32_000


@dataclass(frozen=True, eq=False)
class Axes:
    """The heads that the page's maps show.

    Attributes:
        senders: their numbers, layer by layer.
        receivers: theirs.
        n_heads: of a layer.
        n_cut: how many senders and receivers are left out.
    """

    senders: Int[Tensor, "n_senders"]
    receivers: Int[Tensor, "n_receivers"]
    n_heads: int
    n_cut: int

    def names(self, side: Int[Tensor, "n"]) -> tuple[str, ...]:
        """Return the names of one side's heads."""
        return tuple("{}.{}".format(*divmod(number, self.n_heads)) for number in side.tolist())

    def place(self, sender: Head, receiver: Head) -> int | None:
        """Return the number of a pair on the maps, None if they do not show it."""
        down = (self.senders == sender[0] * self.n_heads + sender[1]).nonzero()
        across = (self.receivers == receiver[0] * self.n_heads + receiver[1]).nonzero()
        return int(down) * len(self.receivers) + int(across) if len(down) and len(across) else None


@dataclass(frozen=True, eq=False)
class Grids:
    """A mode's pairs of heads: z of the best component, whether it is a discovery, the whole-matrix score."""

    best: Float[Tensor, "n_senders n_receivers"]
    discovered: Bool[Tensor, "n_senders n_receivers"]
    whole: Float[Tensor, "n_senders n_receivers"]


@dataclass(frozen=True, eq=False)
class Listed:
    """Which rows of a table the page lists, the pair of each, and the z from which others than the best are listed."""

    rows: Int[Tensor, "n_listed"]
    pairs: Int[Tensor, "n_listed"]
    least_z: float


def axes_of(found: ChannelMap) -> Axes:
    """Return the heads that can send and those that can receive, or those of the largest z where they are too many."""
    n_heads = found.circuits.n_heads
    best = torch.stack([_best(found, mode)[0] for mode in found.scores]).amax(0)
    last = len(best) - n_heads
    senders = _largest(best[:last].amax(1), 0)
    receivers = _largest(best[:, n_heads:].amax(0), n_heads)
    return Axes(senders, receivers, n_heads, 2 * last - len(senders) - len(receivers))


def grids_of(found: ChannelMap, mode: Mode, axes: Axes, rate: float) -> Grids:
    """Return a mode's grids; a best component is a discovery at this false-discovery rate."""
    best, place = _best(found, mode)
    q = found.surprises[mode].q.gather(2, place).flatten(3).flatten(0, 2)
    whole = found.scores[mode].whole.flatten(2).flatten(0, 1)
    shown = (axes.senders[:, None], axes.receivers)
    return Grids(best.where(best > -torch.inf, torch.nan)[shown], (q <= rate)[shown], whole[shown])


def listed_rows(columns: ChannelColumns, axes: Axes, least_z: float, most: int = MOST_ROWS) -> Listed:
    """Return the rows that the page lists, pair by pair; `columns` begin at `least_z`."""
    numbers = columns.numbers
    down, across = (
        _places(side, numbers[f"{name}_layer"] * axes.n_heads + numbers[f"{name}_head"])
        for side, name in ((axes.senders, "sender"), (axes.receivers, "receiver"))
    )
    rows = ((down >= 0) & (across >= 0)).nonzero().squeeze(1)
    pairs = (down * len(axes.receivers) + across)[rows]
    modes = torch.tensor([ord(mode) for mode in columns.modes])[rows]
    keys = pairs * 256 + modes
    order = keys.argsort(stable=True)  # rows run from the largest z down, and so does each pair
    is_best = torch.ones(len(rows), dtype=torch.bool)
    is_best[order[1:]] = keys[order[1:]] != keys[order[:-1]]
    others = (~is_best).nonzero().squeeze(1)
    room = max(0, most - int(is_best.sum()))
    if len(others) > room:
        kept = is_best.clone()
        kept[others[:room]] = True
        least_z = float(numbers["z"][rows[others[room]]])
        order = order[kept[order]]
    return Listed(rows[order], pairs[order], math.ceil(least_z * 10) / 10)


def pair_rows(columns: ChannelColumns, mode: Mode, listed: Listed) -> PairRows:
    """Return the components that the page lists in a mode, rounded to what it shows."""
    modes = torch.tensor([columns.modes[row] == mode for row in listed.rows.tolist()], dtype=torch.bool)
    rows = listed.rows[modes]
    own: dict[str, Any] = {name: column[rows].tolist() for name, column in columns.numbers.items()}
    return PairRows(
        pair=tuple(listed.pairs[modes].tolist()),
        component=tuple(own["component"]),
        score=tuple(round(value, 3) for value in own["score"]),
        z=tuple(round(value, 1) for value in own["z"]),
        q=tuple(float(f"{value:.2g}") for value in own["q"]),
        share=tuple(float(f"{value:.3g}") for value in own["share"]),
        read=tuple(own["read_component"]),
        cosine=tuple(round(value, 2) for value in own["cosine"]),
        block=tuple(block_name(ends) for ends in zip(own["block_first"], own["block_last"], strict=True)),
    )


def rounded(grid: Float[Tensor, "n m"], digits: int) -> tuple[tuple[float | None, ...], ...]:
    """Return a grid as plain numbers, None where there is none."""
    return tuple(tuple(None if math.isnan(one) else round(one, digits) for one in row) for row in grid.tolist())


def _best(found: ChannelMap, mode: Mode) -> tuple[Float[Tensor, "n n"], Tensor]:
    """Return z of the best component of all pairs, minus infinity where there is none, and its number."""
    values, place = found.surprises[mode].z.nan_to_num(-torch.inf).max(2, keepdim=True)
    return values.flatten(3).flatten(0, 2), place


def _largest(z: Float[Tensor, "n"], first: int) -> Int[Tensor, "n_kept"]:
    """Return the numbers of the heads with the largest z, in order, counted from the first head."""
    return z.topk(min(MOST_HEADS, len(z))).indices.sort().values + first


def _places(heads: Int[Tensor, "n"], numbers: Int[Tensor, "n_rows"]) -> Int[Tensor, "n_rows"]:
    """Return where each head number stands on an axis, -1 where it does not."""
    at = torch.searchsorted(heads, numbers.to(heads)).clamp(max=len(heads) - 1)
    return at.where(heads[at] == numbers, -1)
