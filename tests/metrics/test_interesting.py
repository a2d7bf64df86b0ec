"""Interesting features detect causes, each cause its own; without causes they fire sometimes, and then stand out."""

import torch

from mechlab.metrics.histograms import Histograms
from mechlab.metrics.interesting import interesting_features


def histograms_of(values: torch.Tensor) -> Histograms:
    found = Histograms(1, values.shape[1])
    found.update(values, torch.zeros(1, len(values), dtype=torch.long))
    return found


def test_each_class_brings_its_best_feature_not_yet_taken_the_best_class_first():
    f1 = torch.tensor([[0.1, 0.5, 0.4, 0.0], [0.9, 0.8, 0.0, 0.0], [0.0, 0.6, 0.0, 0.0]], dtype=torch.float64)
    silent = histograms_of(torch.zeros(5, 4))
    assert interesting_features(f1, silent, 10) == [0, 1, 2]
    assert interesting_features(f1, silent, 2) == [0, 1]


def test_a_class_whose_best_feature_is_taken_brings_its_next_one():
    f1 = torch.tensor([[0.9, 0.0, 0.2], [0.8, 0.7, 0.0]], dtype=torch.float64)
    assert interesting_features(f1, histograms_of(torch.zeros(5, 3)), 2) == [0, 1]


def test_without_labels_a_feature_that_stands_out_precedes_a_flat_one_and_dense_or_rare_ones_come_last():
    values = torch.zeros(1000, 6)
    values[:, 0] = torch.linspace(0.1, 4, 1000)  # always on
    values[:100, 1] = 2.0  # flat
    values[:100, 2] = torch.cat([torch.full((99,), 0.2), torch.tensor([7.9])])  # stands out
    values[:100, 3] = torch.linspace(0.1, 2, 100)
    values[0, 4] = 5.0  # fired once
    found = interesting_features(torch.zeros(0, 6).double(), histograms_of(values), 6)
    assert found[:3] == [2, 3, 1]
    assert sorted(found) == [0, 1, 2, 3, 4], "the dead one is no one's interest"


def test_labels_come_first_and_the_rest_is_filled_up():
    values = torch.rand(100, 4, generator=torch.Generator().manual_seed(0))
    f1 = torch.tensor([[0.0, 0.0, 0.0, 0.3]], dtype=torch.float64)
    found = interesting_features(f1, histograms_of(values), 4)
    assert found[0] == 3 and sorted(found) == [0, 1, 2, 3]


def test_a_dictionary_that_never_fires_has_none():
    assert interesting_features(torch.zeros(0, 3).double(), histograms_of(torch.zeros(10, 3)), 5) == []
