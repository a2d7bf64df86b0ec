"""Rows in memory are a data source that can be put back to any place."""

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.training.source import DataSource, TensorSource

ROWS = torch.arange(10.0)[:, None]


def test_an_epoch_visits_every_row_once_and_the_next_in_another_order() -> None:
    source = TensorSource(ROWS, batch_size=5)
    first, second = (torch.cat([source.next(), source.next()]).flatten() for _ in range(2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == ROWS.flatten().tolist()
    assert first.tolist() != second.tolist()
    assert isinstance(source, DataSource)


def test_targets_stay_beside_their_rows() -> None:
    inputs, targets = TensorSource(ROWS, batch_size=4, targets=ROWS * 2).next()
    assert torch.equal(targets, inputs * 2)


@pytest.mark.parametrize("served", [0, 1, 2, 3, 7])
def test_a_restored_source_goes_on_with_the_very_next_batch(served: int) -> None:
    source = TensorSource(ROWS, batch_size=3, seed=4)
    for _ in range(served):
        source.next()
    other = TensorSource(ROWS, batch_size=3, seed=4)
    other.restore(source.state())
    for _ in range(5):
        assert torch.equal(source.next(), other.next())


@pytest.mark.parametrize("batch_size", [0, 11])
def test_a_batch_larger_than_the_rows_is_refused(batch_size: int) -> None:
    with pytest.raises(UsageError, match="Use 1 to 10"):
        TensorSource(ROWS, batch_size=batch_size)
