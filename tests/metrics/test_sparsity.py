"""L0, density and dead share count what they say, on the tokens that count."""

import numpy as np
import pytest
import torch

from mechlab.metrics.metric import Batch
from mechlab.metrics.sparsity import FeatureUse, Sparsity


def batch(codes: torch.Tensor, scored: torch.Tensor) -> Batch:
    tokens = scored.int()
    return Batch(tokens, scored, codes, codes, codes, codes, pytest.fail, pytest.fail)


def random_codes(seed: int, n_rows: int, density: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    codes = torch.randn(n_rows, 9, 20, generator=draw) * (torch.rand(n_rows, 9, 20, generator=draw) < density)
    return codes, torch.rand(n_rows, 9, generator=draw) < 0.8


def measured(codes, scored, size=4) -> Sparsity:
    metric = Sparsity()
    for start in range(0, len(codes), size):
        metric.update(batch(codes[start : start + size], scored[start : start + size]))
    return metric


def test_l0_and_density_equal_a_count_by_hand():
    codes, scored = random_codes(0, 11)
    metric = measured(codes, scored)
    kept = codes[scored].numpy()
    estimates = metric.estimates(seed=0)
    np.testing.assert_allclose(estimates["l0"].value, np.count_nonzero(kept, axis=1).mean())
    np.testing.assert_allclose(estimates["density"].value, np.count_nonzero(kept) / kept.size)
    np.testing.assert_allclose(metric.per_feature()["density"], np.count_nonzero(kept, axis=0) / len(kept))


def test_negative_codes_are_active_too():
    codes = torch.tensor([[[-1.0, 0, 2]]]).expand(2, 1, 3)
    assert measured(codes, torch.ones(2, 1, dtype=torch.bool)).estimates(0)["l0"].value == 2


def test_a_feature_that_fires_only_on_special_tokens_is_dead():
    codes = torch.zeros(2, 3, 4)
    codes[:, 0, 0], codes[:, 1, 1] = 1, 1
    scored = torch.tensor([[False, True, True]]).expand(2, 3)
    dead = measured(codes, scored).estimates(0)["dead_share"]
    assert dead.value == 0.75
    assert dead.unit == "of 4 in 4 tokens"


def test_the_jackknife_leaves_each_row_out_once():
    codes, scored = random_codes(1, 12, density=0.01)
    active = (codes != 0) & scored[..., None]
    use = FeatureUse()
    for start in range(0, 12, 5):
        use.update(active[start : start + 5], int(scored[start : start + 5].sum()))
    share = use.silent_share()
    without = np.array([(~np.delete(active.numpy(), i, 0).any((0, 1))).mean() for i in range(12)])
    spread = 1.959964 * np.sqrt(11 / 12 * ((without - without.mean()) ** 2).sum())
    np.testing.assert_allclose([share.low, share.high], [max(0, share.value - spread), share.value + spread])
    assert spread > 0


def test_the_interval_of_the_dead_share_covers_what_other_rows_would_show():
    rng = np.random.default_rng(0)
    rates = np.exp(rng.normal(-4, 2, 300)).clip(0, 1)
    expected, covered = ((1 - rates) ** 50).mean(), 0
    for _ in range(200):
        use = FeatureUse()
        use.update(torch.tensor(rng.random((50, 1, 300)) < rates), 50)
        share = use.silent_share()
        covered += share.low <= expected <= share.high
    assert covered / 200 >= 0.93
