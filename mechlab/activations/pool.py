"""The shuffling pool: vectors wait in preallocated slots and leave in random batches.

1. A new vector goes into a free slot.
2. A batch is a uniform draw of filled slots, without replacement, each equally likely whatever its age.
3. Drawn slots become free: only their numbers move, so a batch costs the same however large the pool is.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.core.shapes import Inputs


class ActivationPool:
    """At most `capacity` vectors; each one put in is taken out exactly once."""

    def __init__(
        self, capacity: int, d_in: int, generator: torch.Generator, device: torch.device | str = "cpu"
    ) -> None:
        # NumPy asks for huge pages, in which random rows are found sooner.
        on_cpu = torch.device(device).type == "cpu"
        self._rows = np.empty((capacity, d_in), dtype=np.float32) if on_cpu else None
        self._slots = torch.empty(capacity, d_in, device=device) if self._rows is None else torch.from_numpy(self._rows)
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

    def add(self, vectors: Float[Tensor, "n d_in"], kept: Bool[np.ndarray, " n"] | None = None) -> None:
        """Put the vectors in, only those marked True if `kept` is given; there must be room for all of them."""
        if len(vectors) > self.n_free:
            raise ValueError(f"{len(vectors)} vectors do not fit into {self.n_free} free slots")
        places = self._order[self._n_filled : self._n_filled + len(vectors)]
        self._write(places, vectors)
        if kept is None:
            self._n_filled += len(vectors)
        else:  # all were written, which is sooner done than choosing; the slots of the others stay free
            self._order[self._n_filled : self._n_filled + len(vectors)] = np.concatenate([places[kept], places[~kept]])
            self._n_filled += int(kept.sum())

    def take(self, n: int) -> Inputs:
        """Take `n` random vectors out; there must be as many."""
        if n > self._n_filled:
            raise ValueError(f"{n} vectors asked of {self._n_filled}")
        places = self._draw(n)
        slots = self._order[places]
        batch = self._read(slots)
        self._free(places, slots)
        return batch

    def state(self) -> dict[str, Tensor]:
        """Return the vectors and the generator: all that determines the batches to come."""
        filled = self._read(self._order[: self._n_filled])
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

    def _write(self, places: Int64[np.ndarray, " n"], vectors: Float[Tensor, "n d_in"]) -> None:
        if self._rows is None:
            self._slots.index_copy_(0, self._index(places), vectors.to(self._slots))
        else:  # a row as one value: a third of the time of index_copy_
            whole_row = np.dtype((np.void, 4 * self._rows.shape[1]))
            source = vectors.to("cpu", torch.float32).contiguous().numpy()
            np.put(self._rows.view(whole_row), places, source.view(whole_row))

    def _read(self, places: Int64[np.ndarray, " n"]) -> Inputs:
        if self._rows is None:
            return self._slots.index_select(0, self._index(places))
        vectors = torch.empty(len(places), self._rows.shape[1])
        np.take(self._rows, places, axis=0, out=vectors.numpy(), mode="clip")  # clip: straight into place, no buffer
        return vectors

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
        self._order[places] = -1
        tail = self._order[border : self._n_filled]
        self._order[places[places < border]] = tail[tail >= 0]
        self._order[border : self._n_filled] = slots
        self._n_filled = border

    def _index(self, slots: Int64[np.ndarray, " n"]) -> Int64[Tensor, " n"]:
        return torch.from_numpy(slots).to(self._slots.device)
