"""A source read together gives each what it gives one who reads alone, and is read once."""

import numpy as np
import pytest
import torch
from oracles.thread_group import together

from mechlab.activations.mixing import Block, MixConfig, MixedBatches
from mechlab.activations.shared_reading import SharedReading


class Counted:
    """Units of three vectors that say where they come from; odd units leave out their last one."""

    d_in, n_units, unit_size, n_vectors, fingerprint, device = 2, 10, 3, 25, "counted", torch.device("cpu")

    def __init__(self, marked=True):
        self.read_units, self.marked = [], marked

    def read(self, units):
        self.read_units += units.tolist()
        places = torch.arange(3.0).repeat(len(units))
        kept = np.array([unit % 2 == 0 or place < 2 for unit in units.tolist() for place in range(3)])
        return Block(torch.stack([units.repeat_interleave(3).float(), places], 1), kept if self.marked else None)


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("units", [[4], [7, 1, 3], [0, 1, 2, 3, 4, 5, 6, 7]])
def test_each_gets_what_one_would_read(n, units, marked):
    wanted = Counted(marked).read(torch.tensor(units))
    sources = [Counted(marked) for _ in range(n)]

    def own(group):
        return SharedReading(sources[group.rank], group.rank, n, group.gather).read(torch.tensor(units))

    for block in together(n, own):
        assert torch.equal(block.vectors, wanted.vectors)
        assert block.kept is wanted.kept if wanted.kept is None else np.array_equal(block.kept, wanted.kept)
    most = -(-len(units) // n)
    assert [len(source.read_units) for source in sources] == [most] * n
    assert {unit for source in sources for unit in source.read_units} == set(units)


def test_batches_are_those_of_one_process():
    config = MixConfig(batch_size=5, pool_size=12, n_batches=8, seed=1)
    wanted = list(MixedBatches(Counted(), 4, config))

    def own(group):
        return list(MixedBatches(SharedReading(Counted(), group.rank, 3, group.gather), 4, config))

    for batches in together(3, own):
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(batches, wanted, strict=True))
