"""A batch dealt to several processes, each of which holds the whole dictionary.

1. Every process takes its own stretch of the batch's rows.
2. A kind that chooses over the batch chooses over everybody's rows.
3. Gradients are averaged over processes, so all take the same step.
4. What is counted and logged is that of the whole batch.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.dictionaries.choosing import Chosen
from mechlab.dictionaries.dictionary import Dictionary, Losses
from mechlab.dictionaries.tiles import Tiles
from mechlab.training.parallel.choice import best_of_batch_here
from mechlab.training.parallel.group import Group
from mechlab.training.parallel.several import Several, SeveralPeers, dense_gradient


class RowPeers(SeveralPeers):
    """The others hold the batch's other rows; every feature is here."""

    def best_of_batch(self, tiles: Tiles, k: float) -> Chosen:
        """Return those of everybody's `k * rows` largest positive contributions that are here."""
        return best_of_batch_here(self._group, tiles, int(k * (tiles.shape[0] * self._group.n)))


class RowCrew(Several):
    """Each process works on its own rows of the batch."""

    way = "rows"

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.peers, self.n_row_shares = RowPeers(group), group.n

    def refuse(self, d_sae: int, batch_size: int) -> None:
        """Raise UsageError where the batch cannot be dealt out evenly."""
        if batch_size % self.n:
            remedy = f"Give a --batch-size that {self.n} divides."
            raise UsageError(f"batch does not divide among {self.n} processes", value=batch_size, remedy=remedy)

    def share(self, rows: Float[Tensor, "batch width"]) -> Float[Tensor, "share width"]:
        """Return this process's stretch of the batch."""
        self.refuse(0, len(rows))
        size = len(rows) // self.n
        return rows[self.rank * size : (self.rank + 1) * size]

    def whole(self, losses: Losses) -> Losses:
        """Return the batch's losses: means over everybody's rows, and what fired anywhere."""
        here = torch.stack([*losses.parts.values(), losses.l0]).detach()
        *parts, l0 = (self.group.sum_(here.double()) / self.group.n).to(here.dtype)
        named = dict(zip(losses.parts, parts, strict=True))
        return replace(losses, parts=named, l0=l0, fired=self.group.any(losses.fired))

    def reduce_gradients(self, dictionary: Dictionary) -> None:
        """Average the gradients."""
        for parameter in dictionary.parameters():
            parameter.grad = self.group.sum_(dense_gradient(parameter)).div_(self.group.n)

    def sum_of_shares(self, of_rows_here: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Return a sum over the batch's rows from that over the rows here."""
        return self.group.sum_(of_rows_here.clone())
