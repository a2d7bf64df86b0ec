"""Batches of vectors in random order from any source, in bounded memory, resumable to the bit.

1. Each pass visits the source's units (rows of tokens, blocks of a shard) in an order drawn from the seed and the pass.
2. A few units at a time are read into the pool until it holds `pool_size` vectors.
3. A batch is a random draw from the pool.
4. Once the source has given what all batches need, nothing more is read and the pool is drained.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from pydantic import PositiveInt, model_validator
from torch import Tensor

from mechlab.activations.pool import ActivationPool
from mechlab.core.config import Config
from mechlab.core.errors import ArtifactError
from mechlab.core.randomness import torch_generator
from mechlab.core.shapes import Inputs


class MixConfig(Config):
    """How vectors are mixed.

    Attributes:
        batch_size: vectors per batch.
        pool_size: vectors a batch is drawn from; the memory is this, and one read more.
        n_batches: batches in all, so that nothing is read in vain at the end; None never ends.
        seed: determines the order of the units and every draw.
    """

    batch_size: PositiveInt = 4096
    pool_size: PositiveInt = 65536
    n_batches: PositiveInt | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _holds_a_batch(self) -> "MixConfig":
        if self.pool_size < self.batch_size:
            raise ValueError(f"pool_size {self.pool_size} must be at least batch_size {self.batch_size}")
        return self


@dataclass(frozen=True)
class Block:
    """Vectors read together; where `kept` is given, those marked False are to be left out."""

    vectors: Float[Tensor, "vectors d_in"]
    kept: Bool[np.ndarray, " vectors"] | None = None

    @property
    def n_kept(self) -> int:
        """Return how many vectors are not left out."""
        return len(self.vectors) if self.kept is None else int(self.kept.sum())


@runtime_checkable
class Source(Protocol):
    """Vectors in units that are read together, any units in any order."""

    d_in: int
    n_units: int
    unit_size: int
    n_vectors: int
    fingerprint: str
    device: torch.device

    def read(self, units: Int64[Tensor, " n"]) -> Block:
        """Return the vectors of some units; a unit gives at most `unit_size`."""
        ...


class MixedBatches:
    """An iterator over float32 batches [batch_size, d_in]; every vector read is served at most once per pass.

    Attributes:
        d_in: width of a vector.
        n_vectors: vectors in one pass; where `n_batches` needs more, passes follow one another in new orders.
        fingerprint: the hash of what determines the vectors, not of their order.
        n_served: batches served so far.
    """

    def __init__(self, source: Source, units_per_read: int, config: MixConfig) -> None:
        self.config, self._source, self._units_per_read = config, source, units_per_read
        self.d_in, self.n_vectors, self.fingerprint = source.d_in, source.n_vectors, source.fingerprint
        self._n_needed = None if config.n_batches is None else config.n_batches * config.batch_size
        self._pool_size = min(config.pool_size, self._n_needed or config.pool_size)
        generator = torch_generator(config.seed, "draws from the pool")
        capacity = self._pool_size - 1 + units_per_read * source.unit_size
        self._pool = ActivationPool(capacity, source.d_in, generator, source.device)
        self._order: tuple[int, Int64[Tensor, " n_units"]] | None = None
        self._pass = self._n_visited = self._n_read = self.n_served = 0

    def __iter__(self) -> Iterator[Inputs]:
        return self

    def __next__(self) -> Inputs:
        return self.next()

    def next(self) -> Inputs:
        """Return the next batch.

        Raises:
            StopIteration: all `n_batches` were served.
        """
        if self.n_served == self.config.n_batches:
            raise StopIteration
        self._add(self._read_ahead(self._pool_size - len(self._pool)))
        ahead = self._read_ahead(self._pool_size - len(self._pool) + self.config.batch_size)
        batch = self._pool.take(self.config.batch_size)
        self._add(ahead)  # straight after the batch, while the slots that it left are still in the cache
        self.n_served += 1
        return batch

    @property
    def n_passes(self) -> float | None:
        """Return how often the source is passed in all; above 1 vectors come again; None if it never ends."""
        return None if self._n_needed is None else self._n_needed / self.n_vectors

    def state(self) -> dict[str, Tensor]:
        """Return everything that determines the batches to come."""
        cursor = torch.tensor([self._pass, self._n_visited, self._n_read, self.n_served])
        return {**self._pool.state(), "cursor": cursor}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on exactly where the state was taken: the same source and config give the same batches, bit by bit.

        Raises:
            ArtifactError: the state lacks a part, or is of a stream of another shape.
        """
        if missing := {"vectors", "draws", "cursor"} - state.keys():
            raise ArtifactError("saved stream lacks", value=", ".join(sorted(missing)))
        self._pool.restore(state)
        self._pass, self._n_visited, self._n_read, self.n_served = (int(number) for number in state["cursor"])

    def _read_ahead(self, n: int) -> list[Block]:
        """Return blocks of at least `n` vectors, or what is left of those that all batches need."""
        blocks: list[Block] = []
        while n > 0 and (self._n_needed is None or self._n_read < self._n_needed):
            blocks.append(self._source.read(self._next_units()))
            self._n_read += blocks[-1].n_kept
            n -= blocks[-1].n_kept
        return blocks

    def _add(self, blocks: list[Block]) -> None:
        for block in blocks:
            self._pool.add(block.vectors, block.kept)

    def _next_units(self) -> Int64[Tensor, " n"]:
        if self._n_visited == self._source.n_units:
            self._pass, self._n_visited = self._pass + 1, 0
        if self._order is None or self._order[0] != self._pass:
            generator = torch_generator(self.config.seed, f"order of pass {self._pass}")
            self._order = self._pass, torch.randperm(self._source.n_units, generator=generator)
        units = self._order[1][self._n_visited : self._n_visited + self._units_per_read]
        self._n_visited += len(units)
        return units
