"""Histograms stay exact while their range grows."""

import numpy as np
import pytest
import torch

from mechlab.metrics.histograms import Histograms


def activations(seed: int, n: int = 300, features: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(n, features, generator=draw).relu() * torch.tensor([0.001, 1.0, 7.0, 300.0, 0.0])[:features]
    families = torch.stack([torch.randint(-1, 2, (n,), generator=draw), torch.full((n,), 2)])
    return values, families


@pytest.mark.parametrize("n_bins", [8, 32])
def test_counts_equal_numpys_histogram_of_all_batches_together(n_bins):
    batches = [activations(seed) for seed in range(4)]
    batches = [(values * 10**i, families) for i, (values, families) in enumerate(batches)]
    histograms = Histograms(3, 5, n_bins)
    for values, families in batches:
        histograms.update(values, families)
    values, families = (torch.cat(parts, dim) for parts, dim in zip(zip(*batches, strict=True), (0, 1), strict=True))
    for group in range(3):
        inside = (families == group).any(0)
        assert histograms.n_tokens[group] == inside.sum()
        for feature in range(4):
            mine = values[inside, feature]
            expected, _ = np.histogram(mine[mine > 0], bins=n_bins, range=(0, float(histograms.top[feature])))
            assert histograms.counts[group, feature].tolist() == expected.tolist()


def test_the_range_is_the_smallest_power_of_two_above_the_largest_value():
    histograms = Histograms(1, 3)
    for value in (0.3, 5.0, 8.0):
        histograms.update(torch.tensor([[value, 0.0, -1.0]]), torch.zeros(1, 1, dtype=torch.long))
    assert histograms.top.tolist() == [16, 0, 0]
    assert histograms.counts[0].sum(-1).tolist() == [3, 0, 0]


def test_counts_from_a_bin_upwards_start_with_all_that_fired():
    values, families = activations(0)
    histograms = Histograms(3, 5)
    histograms.update(values, families)
    above = histograms.at_least(2)
    assert above[:, 0].tolist() == (values > 0).sum(0).tolist()
    edge = histograms.top[1] * 5 / histograms.n_bins
    assert above[1, 5] == (values[:, 1] >= edge).sum()


def test_a_batch_without_tokens_changes_nothing():
    histograms = Histograms(3, 5)
    histograms.update(torch.zeros(0, 5), torch.zeros(2, 0, dtype=torch.long))
    assert histograms.counts.sum() == 0


def test_an_infinite_activation_ends_up_in_the_range_too():
    histograms = Histograms(1, 1)
    histograms.update(torch.tensor([[1.0], [torch.inf]]), torch.zeros(1, 2, dtype=torch.long))
    assert histograms.counts.sum() == 2 and histograms.top.isfinite().all()
