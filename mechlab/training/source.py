"""Where training batches come from: anything that yields rows and can say exactly where it is."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator

Batch = Tensor | tuple[Tensor, Tensor]
"""Rows to encode; with a second tensor, what they are to reconstruct."""


@runtime_checkable
class DataSource(Protocol):
    """An endless or long enough stream of batches whose position can be stored and restored exactly."""

    def next(self) -> Batch:
        """Return the next batch of rows, or of (rows, targets)."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs to continue with the very next batch."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a stored position."""
        ...


class TensorSource:
    """Rows held in memory, visited in a new order every epoch; the order depends on the seed and epoch alone."""

    def __init__(
        self,
        rows: Float[Tensor, "n d_in"],
        batch_size: int,
        seed: int = 0,
        targets: Float[Tensor, "n d_out"] | None = None,
    ) -> None:
        if not 0 < batch_size <= len(rows):
            raise UsageError("batch size does not fit the rows", value=batch_size, remedy=f"Use 1 to {len(rows)}.")
        self.rows, self.targets, self.batch_size, self.seed = rows, targets, batch_size, seed
        self._n_served = 0
        self._order = self._order_of(0)

    def next(self) -> Batch:
        """Return the next batch; what is left of an epoch that fills no batch is skipped."""
        per_epoch = len(self.rows) // self.batch_size
        epoch, position = divmod(self._n_served, per_epoch)
        if position == 0:
            self._order = self._order_of(epoch)
        chosen = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        self._n_served += 1
        return self.rows[chosen] if self.targets is None else (self.rows[chosen], self.targets[chosen])

    def state(self) -> dict[str, Tensor]:
        """Return how many batches were served."""
        return {"n_served": torch.tensor(self._n_served)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue after that many batches."""
        self._n_served = int(state["n_served"])
        self._order = self._order_of(self._n_served // (len(self.rows) // self.batch_size))

    def _order_of(self, epoch: int) -> Tensor:
        return torch.randperm(len(self.rows), generator=torch_generator(self.seed, f"epoch {epoch}"))
