"""The shuffling pool: vectors wait in preallocated slots and leave in random batches.

1. A new vector goes into a free slot.
2. A batch is a uniform draw of filled slots, without replacement, each equally likely whatever its age.
3. Drawn slots become free: only their numbers move, so a batch costs the same however large the pool is.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.core.shapes import Inputs


class ActivationPool:
    """At most `capacity` vectors; each one put in is taken out exactly once."""

    def __init__(
        self, capacity: int, d_in: int, generator: torch.Generator, device: torch.device | str = "cpu"
    ) -> None:
        self._slots = torch.empty(capacity, d_in, device=device)
        self._generator = generator
        # The first `_n_filled` entries name the filled slots, the rest the free ones.
        self._order = np.arange(capacity)
        self._last_draw = np.zeros(capacity, dtype=np.int64)
        self._n_filled = 0

    def __len__(self) -> int:
        return self._n_filled

    @property
    def n_free(self) -> int:
        """Return how many more vectors fit."""
        return self._slots.shape[0] - self._n_filled

    def add(self, vectors: Float[Tensor, "n d_in"]) -> None:
        """Put the vectors in; there must be room for them."""
        if len(vectors) > self.n_free:
            raise ValueError(f"{len(vectors)} vectors do not fit into {self.n_free} free slots")
        places = self._order[self._n_filled : self._n_filled + len(vectors)]
        if self._slots.device.type == "cpu" and vectors.device.type == "cpu" and vectors.dtype == self._slots.dtype:
            self._slots.numpy()[places] = vectors.numpy()  # half the time of index_copy_
        else:
            self._slots.index_copy_(0, self._index(places), vectors.to(self._slots))
        self._n_filled += len(vectors)

    def take(self, n: int) -> Inputs:
        """Take `n` random vectors out; there must be as many."""
        if n > self._n_filled:
            raise ValueError(f"{n} vectors asked of {self._n_filled}")
        places = self._draw(n)
        slots = self._order[places]
        batch = self._slots.index_select(0, self._index(slots))
        self._free(places, slots)
        return batch

    def state(self) -> dict[str, Tensor]:
        """Return the vectors and the generator: all that determines the batches to come."""
        filled = self._slots.index_select(0, self._index(self._order[: self._n_filled]))
        return {"vectors": filled.cpu(), "draws": self._generator.get_state()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on exactly where the state was taken.

        Raises:
            ArtifactError: the state is of a pool of another width, or of more vectors than fit.
        """
        vectors, shape = state["vectors"], tuple(self._slots.shape)
        if vectors.ndim != 2 or vectors.shape[1] != shape[1] or len(vectors) > shape[0]:
            raise ArtifactError("saved pool does not fit", value=tuple(vectors.shape), remedy=f"This one is {shape}.")
        self._order = np.arange(shape[0])
        self._n_filled = 0
        self.add(vectors)
        self._generator.set_state(state["draws"])

    def _draw(self, n: int) -> Int64[np.ndarray, " n"]:
        """Return `n` distinct places among the filled ones, at a cost that does not grow with the pool."""
        if 4 * n >= self._n_filled:
            return torch.randperm(self._n_filled, generator=self._generator)[:n].numpy()
        tickets = np.arange(n + n // 4 + 16)
        while True:
            drawn = torch.randint(self._n_filled, (tickets.size,), generator=self._generator).numpy()
            # NumPy assigns in order, so of equal places the last one keeps its ticket.
            self._last_draw[drawn] = tickets
            distinct = drawn[self._last_draw[drawn] == tickets]
            if distinct.size >= n:
                return distinct[:n]

    def _free(self, places: Int64[np.ndarray, " n"], slots: Int64[np.ndarray, " n"]) -> None:
        """Move the drawn slots' numbers behind the filled ones; the last filled numbers close the gaps."""
        border = self._n_filled - places.size
        in_tail = places >= border
        stays = np.ones(places.size, dtype=bool)
        stays[places[in_tail] - border] = False
        tail = self._order[border : self._n_filled]
        self._order[places[~in_tail]] = tail[stays]
        self._order[border : self._n_filled] = slots
        self._n_filled = border

    def _index(self, slots: Int64[np.ndarray, " n"]) -> Int64[Tensor, " n"]:
        return torch.from_numpy(slots).to(self._slots.device)
