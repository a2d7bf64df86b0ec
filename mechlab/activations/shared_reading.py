"""A source whose units several processes read for one another: each runs the model on its share of them.

1. Of the units asked for, every process reads an equal stretch; a last unit is read twice where they do not divide.
2. All exchange what they read, so each has what one process would have read alone.
"""

from collections.abc import Callable

import torch
from jaxtyping import Int64
from torch import Tensor

from mechlab.activations.mixing import Block, Source


class SharedReading:
    """What `source` gives, read together; every unit of it must give `unit_size` vectors.

    Args:
        source: the same in every process.
        rank: this process's number, from zero.
        n: how many processes there are.
        gather: returns every process's tensor, of the same shape, in the order of the processes.
    """

    def __init__(self, source: Source, rank: int, n: int, gather: Callable[[Tensor], list[Tensor]]) -> None:
        self._source, self._rank, self._n, self._gather = source, rank, n, gather
        self.d_in, self.n_units, self.unit_size = source.d_in, source.n_units, source.unit_size
        self.n_vectors, self.fingerprint, self.device = source.n_vectors, source.fingerprint, source.device

    def read(self, units: Int64[Tensor, " n"]) -> Block:
        """Return the vectors of some units, of which this process reads its share."""
        size = -(-len(units) // self._n)
        own = torch.arange(self._rank * size, (self._rank + 1) * size).clamp(max=len(units) - 1)
        block = self._source.read(units[own])
        n_vectors = len(units) * self.unit_size
        vectors = torch.cat(self._gather(block.vectors))[:n_vectors]
        if block.kept is None:
            return Block(vectors)
        kept = torch.cat(self._gather(torch.from_numpy(block.kept)))[:n_vectors]
        return Block(vectors, kept.numpy())
