"""Mixing: every vector once a pass, well shuffled, bounded memory, resumed to the bit."""

import pytest
import torch
from oracles.stand_in import TokenEcho, numbered_rows

from mechlab.activations.capture import RowSource
from mechlab.activations.mixing import MixConfig, MixedBatches
from mechlab.core.config import build
from mechlab.core.errors import ArtifactError, ConfigError


def batches_of(n_rows: int = 60, row_length: int = 16, units: int = 4, **config: object) -> MixedBatches:
    source = RowSource(TokenEcho(), numbered_rows(n_rows, row_length), "resid_post.1", skip_special=False)
    return MixedBatches(source, units, build(MixConfig, {"batch_size": 32, "pool_size": 256, **config}))


def tokens(batches: MixedBatches) -> torch.Tensor:
    return torch.stack([batch[:, 0] for batch in batches]).long()


def test_one_pass_serves_every_vector_exactly_once():
    served = tokens(batches_of(n_batches=30))
    assert served.shape == (30, 32)
    assert served.flatten().sort().values.tolist() == list(range(960))


def test_passes_follow_one_another_and_each_vector_comes_once_in_each():
    mixed = batches_of(n_batches=90)
    assert mixed.n_passes == 3
    counts = tokens(mixed).flatten().bincount()
    assert counts.tolist() == [3] * 960


def test_without_an_end_the_stream_goes_on_and_loses_nothing():
    mixed = batches_of()
    assert mixed.n_passes is None
    served = torch.cat([mixed.next()[:, 0].long() for _ in range(75)])
    counts = served.bincount(minlength=960)
    # 2.5 passes were served, and the pool holds less than a third of a pass.
    assert int(counts.min()) >= 1 and int(counts.max()) <= 3


def test_nothing_is_read_that_no_batch_needs():
    model = TokenEcho()
    source = RowSource(model, numbered_rows(1000, 16), "resid_post.1", skip_special=False)
    model.asked.clear()
    assert len(list(MixedBatches(source, 4, MixConfig(batch_size=32, pool_size=4096, n_batches=10)))) == 10
    assert len(model.asked) == 20


def test_batches_are_plain_float32_tensors_that_autograd_may_keep():
    batch = batches_of().next()
    assert batch.dtype == torch.float32
    assert not batch.is_inference()


def mean_same_row_pairs(rows: torch.Tensor) -> float:
    """Return how many pairs of a batch, on average, come from one row."""
    return float(sum((batch.bincount() * (batch.bincount() - 1)).sum() / 2 for batch in rows) / len(rows))


def test_a_batch_mixes_rows_almost_as_well_as_a_full_shuffle():
    """Null: a uniform shuffle of all tokens. Opposite: the corpus in order, where a batch is two rows."""
    n_batches = 30 * 20
    rows = tokens(batches_of(n_batches=n_batches, pool_size=480)) // 16
    in_order = torch.arange(960).repeat(20).reshape(n_batches, 32) // 16
    generator = torch.Generator().manual_seed(0)
    shuffled = torch.stack([torch.randperm(960, generator=generator) for _ in range(20)]).reshape(n_batches, 32) // 16
    ours, worst, best = mean_same_row_pairs(rows), mean_same_row_pairs(in_order), mean_same_row_pairs(shuffled)
    assert best < 8.5
    assert worst == 240
    assert ours < 2.5 * best


def test_neighbours_in_a_batch_are_uncorrelated():
    served = tokens(batches_of(n_batches=600)).double()
    inside = torch.corrcoef(torch.stack([served[:, :-1].flatten(), served[:, 1:].flatten()]))[0, 1]
    in_order = torch.arange(960).double()
    assert torch.corrcoef(torch.stack([in_order[:-1], in_order[1:]]))[0, 1] > 0.99
    # A batch of one pool shares the pool's part of the corpus by chance only: the rows were shuffled first.
    assert abs(inside.item()) < 0.05


def test_every_pass_visits_the_rows_in_an_order_of_its_own():
    model = TokenEcho()
    source = RowSource(model, numbered_rows(60, 16), "resid_post.1", skip_special=False)
    model.asked.clear()
    list(MixedBatches(source, 7, MixConfig(batch_size=32, pool_size=64, n_batches=60)))
    first, second = model.asked[:60], model.asked[60:]
    assert sorted(first) == sorted(second) == list(range(0, 960, 16))
    assert len({tuple(first), tuple(second), tuple(sorted(first))}) == 3


def test_the_seed_decides_the_batches():
    first = tokens(batches_of(n_batches=60))
    assert torch.equal(first, tokens(batches_of(n_batches=60)))
    assert not torch.equal(first, tokens(batches_of(n_batches=60, seed=1)))


@pytest.mark.parametrize("n_before", [0, 1, 7, 29, 44, 59])
def test_a_restored_stream_serves_the_same_bits(n_before: int):
    whole = batches_of(n_batches=60)
    for _ in range(n_before):
        whole.next()
    state = {name: value.clone() for name, value in whole.state().items()}
    resumed = batches_of(n_batches=60)
    resumed.restore(state)
    assert torch.equal(torch.stack(list(resumed)), torch.stack(list(whole)))


def test_the_memory_is_the_pool_and_one_read():
    mixed = batches_of(pool_size=100, units=3)
    most = max(len(mixed.state()["vectors"]) + len(mixed.next()) for _ in range(200))
    assert most <= 100 + 3 * 16 - 1 + 32
    assert mixed._pool._slots.shape == (100 + 3 * 16 - 1, 3)


def test_a_state_that_lacks_a_part_is_refused():
    state = batches_of().state()
    del state["cursor"]
    with pytest.raises(ArtifactError, match="lacks: 'cursor'"):
        batches_of().restore(state)


def test_a_pool_smaller_than_a_batch_is_refused():
    with pytest.raises(ConfigError, match="pool_size 256 must be at least batch_size 512"):
        batches_of(batch_size=512)


def test_a_pool_barely_larger_than_a_batch_never_overflows_whatever_the_size_of_a_read():
    for batch_size, pool_size, rows_per_read in ((7, 7, 5), (64, 65, 3), (5, 100, 30)):
        source = RowSource(TokenEcho(), numbered_rows(40, 16, specials=[0, 3]), "resid_post.1", skip_special=True)
        config = MixConfig(batch_size=batch_size, pool_size=pool_size, n_batches=source.n_vectors // batch_size)
        served = torch.cat([batch[:, 0] for batch in MixedBatches(source, rows_per_read, config)])
        assert len(served.unique()) == len(served) == source.n_vectors // batch_size * batch_size
