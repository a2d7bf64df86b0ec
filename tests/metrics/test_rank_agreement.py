"""Ranks of mean sizes are SciPy's; prompts are what is redrawn; what tells nothing agrees with nothing."""

import numpy as np
import pytest
import torch
from scipy import stats

from mechlab.core.errors import UsageError
from mechlab.core.randomness import numpy_generator
from mechlab.metrics.rank_agreement import rank_agreement


def scores(n: int = 40, n_parts: int = 12, seed: int = 0) -> torch.Tensor:
    """Return scores whose parts differ in size, and whose signs change from prompt to prompt."""
    draw = torch.Generator().manual_seed(seed)
    sizes = torch.arange(1, n_parts + 1).double()
    return sizes * torch.randn(n, n_parts, generator=draw, dtype=torch.float64)


def test_the_value_is_scipys_of_mean_sizes_and_not_of_sizes_of_means():
    found, parts = scores(), torch.tensor([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8])
    own = rank_agreement(parts, found)
    assert own is not None and own.n == 40
    assert own.value == pytest.approx(stats.spearmanr(parts, found.abs().mean(0)).statistic)
    assert own.value != pytest.approx(stats.spearmanr(parts, found.mean(0).abs()).statistic)


def test_the_interval_is_that_of_redrawn_prompts():
    found, parts = scores(15), torch.randperm(12, generator=torch.Generator().manual_seed(1)).double()
    own, generator = rank_agreement(parts, found, seed=3), numpy_generator(3, "bootstrap")
    redrawn = np.concatenate([generator.multinomial(15, np.full(15, 1 / 15), size=50) for _ in range(20)])
    again = [stats.spearmanr(parts, one @ found.abs().numpy()).statistic for one in redrawn]
    assert own is not None
    assert (own.low, own.high) == pytest.approx(tuple(np.percentile(again, [2.5, 97.5])), abs=1e-9)
    assert own.low < own.high


def test_predictions_that_know_nothing_agree_with_nothing_on_average():
    found, draw = scores(30, 30), torch.Generator().manual_seed(0)
    values = [rank_agreement(torch.randn(30, generator=draw), found[:2]).value for _ in range(60)]
    assert abs(sum(values) / 60) < 0.08
    assert rank_agreement(torch.ones(30), found) is None


def test_nothing_to_rank_is_refused():
    with pytest.raises(UsageError, match="nothing to rank: '0 and 3'"):
        rank_agreement(torch.rand(3), torch.zeros(0, 3))
    with pytest.raises(UsageError, match="nothing to rank: '5 and 1'"):
        rank_agreement(torch.rand(1), torch.rand(5, 1))
