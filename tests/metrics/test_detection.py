"""Single-feature detection scores equal scikit-learn's, threshold by threshold."""

import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from mechlab.metrics.detection import (
    Detector,
    best_by_f1,
    binned_auc,
    detectors,
    f1_by_threshold,
    placements,
)
from mechlab.metrics.histograms import Histograms

EVERYTHING = 2


@pytest.fixture(scope="module")
def labelled() -> tuple[torch.Tensor, torch.Tensor, Histograms]:
    """Five features of which the fourth follows class 1 with noise; class 0 follows nothing."""
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(2000, 5, generator=draw).relu()
    group = torch.randint(-1, 2, (2000,), generator=draw)
    values[:, 3] = (0.7 * torch.randn(2000, generator=draw) + 2 * (group == 1)).relu()
    histograms = Histograms(3, 5)
    families = torch.stack([group, torch.full_like(group, EVERYTHING)])
    for part in (slice(0, 700), slice(700, 2000)):
        histograms.update(values[part], families[:, part])
    return values, group, histograms


@pytest.mark.parametrize("group_id", [0, 1])
def test_f1_equals_scikit_learns_at_every_threshold(labelled, group_id):
    values, group, histograms = labelled
    found = f1_by_threshold(histograms, group_id, EVERYTHING)
    for feature in (0, 3):
        for edge in (0, 1, 9, 20):
            detector = Detector(feature, float(histograms.top[feature] * edge / histograms.n_bins))
            expected = f1_score(group == group_id, detector.fires(values[:, feature]), zero_division=0)
            assert found[feature, edge].item() == pytest.approx(expected)


def test_the_best_detector_is_the_feature_that_follows_the_class(labelled):
    values, group, histograms = labelled
    best = best_by_f1(histograms, 1, EVERYTHING)
    assert best.feature == 3 and best.threshold > 0
    score = f1_score(group == 1, best.fires(values[:, 3]))
    assert score == pytest.approx(detectors(histograms, 1, EVERYTHING)[0][3].item())
    assert score > f1_score(group == 1, values[:, 3] > 0)


def test_placements_average_to_scikit_learns_auc_ties_included(labelled):
    values, group, _ = labelled
    rounded = (values[:, 3] * 4).round()
    positive = group == 1
    found = placements(rounded[positive], rounded[~positive]).mean().item()
    assert found == pytest.approx(roc_auc_score(positive, rounded))
    assert 1 - placements(rounded[~positive], rounded[positive]).mean().item() == pytest.approx(found)


def test_binned_auc_is_exact_for_values_rounded_to_bins_and_close_otherwise(labelled):
    values, group, histograms = labelled
    found = binned_auc(histograms, 1, EVERYTHING)
    for feature in range(5):
        bins = (values[:, feature] / histograms.top[feature] * histograms.n_bins).floor() + (values[:, feature] > 0)
        assert found[feature].item() == pytest.approx(roc_auc_score(group == 1, bins))
        assert found[feature].item() == pytest.approx(roc_auc_score(group == 1, values[:, feature]), abs=0.01)


def test_a_detector_never_fires_on_silence():
    assert Detector(0, 0.0).fires(torch.tensor([0.0, 1e-9, -1.0])).tolist() == [False, True, False]
