"""A batch out of our pool and out of SAELens's mixing buffer, as both grow."""

import itertools
import statistics
from collections.abc import Callable

import torch
from sae_lens.training.mixing_buffer import mixing_buffer
from timing import cpu_us

from mechlab.activations.mixing import Block, MixConfig, MixedBatches

D_IN, BATCH, ROWS, LENGTH, ROUNDS = 768, 4096, 32, 128, 60


class Repeated:
    """A source that costs nothing: the same vectors at every read."""

    d_in, n_units, unit_size, n_vectors, fingerprint = D_IN, 100_000, LENGTH, 100_000 * LENGTH, "repeated"
    device = torch.device("cpu")

    def __init__(self, vectors: torch.Tensor) -> None:
        self.vectors = vectors

    def read(self, units: torch.Tensor) -> Block:
        """Return the vectors."""
        return Block(self.vectors)


def pool_costs() -> dict[str, dict[str, float]]:
    """Return the mean CPU ms per batch of both by pool size; means, because SAELens's batches differ in price."""
    vectors, costs = torch.randn(ROWS * LENGTH, D_IN), {}
    for size in (8192, 32768, 131072):
        ours = MixedBatches(Repeated(vectors), ROWS, MixConfig(batch_size=BATCH, pool_size=size))
        theirs = mixing_buffer(size, BATCH, itertools.repeat(vectors), 0.5)
        serve: tuple[Callable[[], object], ...] = (ours.next, theirs.__next__)
        for warm in serve:
            warm()
        pairs = [[cpu_us(take) / 1000 for take in serve] for _ in range(ROUNDS)]
        mechlab_ms, saelens_ms = (statistics.mean(side) for side in zip(*pairs, strict=True))
        costs[str(size)] = {"mechlab_ms": mechlab_ms, "saelens_ms": saelens_ms, "ratio": saelens_ms / mechlab_ms}
        print(size, costs[str(size)], flush=True)
    return costs
