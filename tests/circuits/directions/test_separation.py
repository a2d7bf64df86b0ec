"""AUC and balanced accuracy are scikit-learn's, their intervals cover the truth and are never a single point."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, norm
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.separation import auc, separation, weighted_auc, wilson


def binomial_wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the interval scipy gives."""
    found = binomtest(hits, n).proportion_ci(0.95, "wilson")
    return found.low, found.high


def drawn(n: int, seed: int, *, shift: float = 1.0, per_group: int = 1) -> tuple[Examples, torch.Tensor]:
    """Return n groups a class whose members share half of their noise, and values with ties among them."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([True, False], n * per_group)
    groups = np.repeat(np.arange(2 * n), per_group)
    shared = rng.normal(size=2 * n)[groups] if per_group > 1 else 0
    own = rng.normal(size=len(labels))
    values = labels * shift + (shared + own) / (np.sqrt(2) if per_group > 1 else 1)
    examples = Examples("s", "m", torch.zeros(len(labels), 1), torch.tensor(labels), torch.tensor(groups))
    return examples, torch.tensor(values)


def test_values_are_those_of_scikit_learn_ties_and_unequal_classes_included():
    examples, values = drawn(40, 0)
    kept = torch.arange(80) < 60
    examples, values = examples.select(kept), (values[kept] * 3).round()
    found = separation(examples, values, 1.5)
    labels = examples.positive.numpy()
    assert found.auc.value == pytest.approx(roc_auc_score(labels, values))
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(labels, (values > 1.5).numpy()))
    assert auc(values, examples.positive) == pytest.approx(found.auc.value) and found.auc.n == 60


def test_an_example_drawn_twice_counts_as_two():
    examples, values = drawn(6, 1)
    weights = torch.tensor([[2, 0, 1, 1, 3, 0, 1, 1, 0, 0, 2, 1]]).double()
    repeated = torch.arange(12).repeat_interleave(weights[0].long())
    wanted = roc_auc_score(examples.positive[repeated], values[repeated])
    assert weighted_auc(values, examples.positive, weights).item() == pytest.approx(wanted)


@pytest.mark.parametrize("per_group", [1, 6])
def test_intervals_cover_the_truth_as_often_as_they_say_also_where_groups_share_noise(per_group):
    truth = norm.cdf(1 / np.sqrt(2))
    found = [separation(*drawn(40, seed, per_group=per_group), 0.5, seed).auc for seed in range(1000, 1200)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.9 <= covered <= 0.98, covered
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.02)
    if per_group == 1:
        assert np.mean([one.high - one.low for one in found]) < 0.3


def test_a_perfect_score_on_few_examples_is_no_certainty():
    examples, _ = drawn(5, 0)
    found = separation(examples, examples.positive.double(), 0.5)
    assert (found.auc.value, found.auc.high) == (1.0, 1.0)
    assert found.auc.low == found.balanced_accuracy.low == pytest.approx(binomial_wilson(5, 5)[0])
    many = separation(drawn(500, 0)[0], drawn(500, 0)[0].positive.double(), 0.5)
    assert many.auc.low > 0.99


@pytest.mark.parametrize(("hits", "n"), [(0, 3), (5, 5), (7, 20), (1, 1)])
def test_wilson_s_interval_is_scipy_s(hits, n):
    assert wilson(hits / n, n) == pytest.approx(binomial_wilson(hits, n), abs=1e-9)


def test_every_redraw_has_both_classes_even_where_each_has_two_groups():
    examples, values = drawn(2, 0)
    assert separation(examples, values, 0.5).auc is not None


def test_pairs_are_redrawn_as_pairs():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=60) * 5
    values = torch.tensor(np.concatenate([shared + 1 + rng.normal(size=60) * 0.1, shared]))
    labels, groups = torch.arange(120) < 60, torch.arange(60).repeat(2)
    paired = separation(Examples("s", "m", torch.zeros(120, 1), labels, groups, True), values, 0.5).auc
    apart = separation(Examples("s", "m", torch.zeros(120, 1), labels, torch.arange(120)), values, 0.5).auc
    assert paired.value == apart.value
    assert apart.low < paired.low and paired.high < apart.high
