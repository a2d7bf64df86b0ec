"""Random heads have as many components of each z as chance expects; a planted channel lies beyond."""

import pytest
from circuits.channels.random_heads import random_heads, with_channel

from mechlab.circuits.channels.channel_map import of_circuits
from mechlab.circuits.channels.noise import noise
from mechlab.circuits.channels.nulls import LAWS


@pytest.mark.parametrize("null", LAWS)
def test_random_heads_are_as_many_as_chance_expects(null):
    found = of_circuits(random_heads(n_layers=6, n_heads=6, d_model=192, d_head=16)[0], modes=("q",), null=null)
    seen = noise(found, "q")
    n = int((~found.surprises["q"].z.isnan()).sum())
    assert int(seen.counts.sum()) + seen.n_above == n
    assert float(seen.expected.sum()) == pytest.approx(n, rel=0.02)
    for low, high in ((-10, -1), (-1, 0), (0, 1), (1, 2), (2, 10)):
        inside = (seen.edges[:-1] >= low) & (seen.edges[1:] <= high)
        assert float(seen.counts[inside].sum()) == pytest.approx(float(seen.expected[inside].sum()), rel=0.12)


def test_a_planted_channel_lies_above_the_last_edge():
    circuits, _ = random_heads(n_layers=6, n_heads=6, d_model=192, d_head=16)
    seen = noise(of_circuits(with_channel(circuits, (1, 2), (4, 3), 2.0), modes=("q",)), "q")
    assert seen.n_above >= 1 and float(seen.edges[-1]) == 10 and float(seen.expected[-8:].sum()) < 0.5
