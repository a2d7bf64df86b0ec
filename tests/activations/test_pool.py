"""The pool: every vector out exactly once, every slot equally likely, exact state, constant cost."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mechlab.activations.pool import ActivationPool
from mechlab.core.errors import ArtifactError
from mechlab.core.randomness import torch_generator


def pool_of(capacity: int, d_in: int = 1, seed: int = 0) -> ActivationPool:
    return ActivationPool(capacity, d_in, torch_generator(seed, "test"))


def numbers(start: int, n: int) -> torch.Tensor:
    return torch.arange(start, start + n, dtype=torch.float32).unsqueeze(1)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=15), st.integers(0, 99))
def test_what_goes_in_comes_out_exactly_once(moves: list[tuple[int, int]], seed: int):
    pool, n_added, out = pool_of(64, seed=seed), 0, []
    for n_in, n_out in moves:
        n_in = min(n_in, pool.n_free)
        pool.add(numbers(n_added, n_in))
        n_added += n_in
        out.append(pool.take(min(n_out, len(pool))))
    out.append(pool.take(len(pool)))
    assert torch.cat(out).flatten().sort().values.tolist() == list(range(n_added))


@pytest.mark.parametrize("n_filled", [12, 400])
def test_every_filled_vector_is_equally_likely_to_be_drawn(n_filled: int):
    pool, counts = pool_of(n_filled), np.zeros(n_filled)
    for _ in range(30 * n_filled // 6):
        pool.add(numbers(0, n_filled))
        counts[pool.take(6).flatten().int().numpy()] += 1
        pool.take(n_filled - 6)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_old_vectors_are_as_likely_as_new_ones():
    """In a pool of 400 refilled by 20 a time, a vector waits a geometric time: mean 20 batches, so std 19.5."""
    pool, waits = pool_of(400), []
    pool.add(numbers(-400, 400))
    for batch in range(3000):
        waits.append(batch - pool.take(20).flatten() // 20)
        pool.add(numbers(20 * batch, 20))
    settled = torch.cat(waits[500:])
    assert settled.mean().item() == pytest.approx(20, rel=0.05)
    assert settled.std().item() == pytest.approx(19.5, rel=0.07)


def test_the_draws_of_the_two_branches_are_distinct_places():
    for n_filled, n in ((1000, 250), (1000, 251), (1000, 1000), (40, 10), (1, 1)):
        pool = pool_of(n_filled)
        pool.add(numbers(0, n_filled))
        assert len(pool.take(n).unique()) == n


def test_a_restored_pool_goes_on_bit_by_bit():
    def go_on(pool: ActivationPool) -> torch.Tensor:
        batches = []
        for i in range(20):
            pool.add(torch.sin(numbers(1000 * i, 30)).expand(-1, 3))
            batches.append(pool.take(25))
        return torch.cat(batches)

    first, second = pool_of(700, d_in=3, seed=1), pool_of(700, d_in=3, seed=2)
    first.add(torch.cos(numbers(0, 90)).expand(-1, 3))
    first.take(33)
    state = {name: value.clone() for name, value in first.state().items()}
    expected = go_on(first)
    second.restore(state)
    assert torch.equal(go_on(second), expected)


def test_a_state_of_another_shape_is_refused():
    state = pool_of(8, d_in=2).state()
    with pytest.raises(ArtifactError, match="does not fit"):
        pool_of(8, d_in=3).restore(state)
    large = pool_of(20)
    large.add(numbers(0, 9))
    with pytest.raises(ArtifactError, match="does not fit"):
        pool_of(8).restore(large.state())


def test_too_many_in_or_out_is_an_error():
    pool = pool_of(4)
    pool.add(numbers(0, 3))
    with pytest.raises(ValueError, match="do not fit"):
        pool.add(numbers(0, 2))
    with pytest.raises(ValueError, match="4 vectors asked of 3"):
        pool.take(4)


def test_a_batch_costs_the_same_from_a_pool_sixteen_times_as_large():
    def seconds(capacity: int) -> float:
        pool, best = pool_of(capacity, d_in=8), float("inf")
        pool.add(torch.zeros(capacity, 8))
        for _ in range(30):
            start = time.process_time()
            pool.take(512)
            pool.add(torch.zeros(512, 8))
            best = min(best, time.process_time() - start)
        return best

    assert seconds(16 * 20_000) < 3 * seconds(20_000)


def test_a_vector_that_is_not_kept_is_never_drawn_and_leaves_its_slot():
    pool = pool_of(12)
    pool.add(numbers(0, 6), kept=np.array([True, False, True, True, False, False]))
    assert (len(pool), pool.n_free) == (3, 9)
    pool.add(numbers(10, 9), kept=np.arange(9) > 0)
    assert (len(pool), pool.n_free) == (11, 1)
    assert pool.take(11).flatten().sort().values.tolist() == [0, 2, 3, *range(11, 19)]


def test_strided_and_half_precision_vectors_come_out_as_they_went_in():
    wide, pool = torch.randn(9, 8), pool_of(9, d_in=4)
    pool.add(wide[:, ::2])
    assert torch.equal(pool.take(9).sort(0).values, wide[:, ::2].sort(0).values)
    pool.add(wide[:, :4].half())
    assert torch.equal(pool.take(9).sort(0).values, wide[:, :4].half().float().sort(0).values)
