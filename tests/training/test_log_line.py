"""A log line's explained variance is 0 for the mean and 1 for the target itself, also far from the origin."""

import pytest
import torch

from mechlab.training.log_line import explained_variance


@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_the_batch_mean_explains_nothing_and_the_target_everything(mean: float) -> None:
    targets = torch.randn(500, 8, generator=torch.Generator().manual_seed(0)) + mean
    assert explained_variance(targets.mean(0).expand_as(targets), targets) == pytest.approx(0.0, abs=1e-5)
    assert explained_variance(targets, targets) == 1.0
    assert explained_variance(torch.zeros_like(targets), targets) < 0.01


def test_half_the_deviation_leaves_a_quarter_of_the_variance() -> None:
    targets = torch.randn(500, 8)
    half = targets.mean(0) + (targets - targets.mean(0)) / 2
    assert explained_variance(half, targets) == pytest.approx(0.75, abs=1e-5)


def test_targets_that_all_agree_have_nothing_to_explain() -> None:
    assert explained_variance(torch.zeros(5, 2), torch.ones(5, 2)) == 0.0
