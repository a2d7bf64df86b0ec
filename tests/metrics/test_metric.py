"""What every metric builds on: sums row by row."""

import pytest
import torch

from mechlab.core.errors import UsageError
from mechlab.metrics.metric import RowSums


def test_rows_stand_in_the_order_they_were_seen():
    sums = RowSums()
    sums.add(torch.tensor([[1.0], [2.0]]).double())
    sums.add(torch.tensor([[3.0]]).double())
    assert sums.table().tolist() == [[1], [2], [3]]


def test_a_metric_that_saw_nothing_says_so():
    with pytest.raises(UsageError, match="no rows"):
        RowSums().table()
