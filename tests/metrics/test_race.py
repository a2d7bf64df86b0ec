"""Choices are made on one half, F1 and AUC measured on the other equal scikit-learn's."""

import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from mechlab.metrics.bootstrap import resampled
from mechlab.metrics.contenders import Contender
from mechlab.metrics.race import LabelledTokens, auc, choose, f1, row_sums, score

N_ROWS, POS = 30, 10


def half(seed: int, swap: bool = False) -> list[LabelledTokens]:
    """Return batches in which feature 2 follows class 0 and feature 4 class 1 (or, swapped, the other way round)."""
    draw = torch.Generator().manual_seed(seed)
    group = torch.randint(-1, 2, (N_ROWS * POS,), generator=draw)
    x = torch.rand(N_ROWS * POS, 6, generator=draw)
    x[:, 2] += 0.8 * (group == (1 if swap else 0))
    x[:, 4] += 0.8 * (group == (0 if swap else 1))
    groups = torch.stack([group, torch.full_like(group, 2)])
    elsewhere = torch.stack([group.roll(POS), groups[1]])
    row = torch.arange(N_ROWS).repeat_interleave(POS)
    cuts = (slice(0, 130), slice(130, 300))
    return [LabelledTokens(x[cut], groups[:, cut], elsewhere[:, cut], row[cut]) for cut in cuts]


PLAIN = {"plain": Contender(lambda x: x), "foreign": Contender(lambda x: x, labels_of_other_rows=True)}


@pytest.fixture(scope="module")
def choices():
    return choose(PLAIN, half(0), 2, 5)


def test_the_features_that_follow_the_classes_are_chosen(choices):
    assert {c: (one.by_f1.feature, one.by_auc) for c, one in choices["plain"].items()} == {0: (2, 2), 1: (4, 4)}


def test_f1_and_auc_on_the_other_half_equal_scikit_learns(choices):
    batches = half(1)
    sums = score(PLAIN, batches, choices, N_ROWS)
    x, groups, elsewhere = (
        torch.cat([getattr(batch, name) for batch in batches], dim)
        for name, dim in (("inputs", 0), ("groups", 1), ("groups_elsewhere", 1))
    )
    for name, classes in (("plain", groups[0]), ("foreign", elsewhere[0])):
        for c, choice in choices[name].items():
            draws = resampled(sums[name][c])
            positive = classes == c
            assert f1(draws)[0].item() == pytest.approx(
                f1_score(positive, choice.by_f1.fires(x[:, choice.by_f1.feature]))
            )
            assert auc(draws)[0].item() == pytest.approx(roc_auc_score(positive, x[:, choice.by_auc]))


def test_nothing_is_selected_where_it_is_scored(choices):
    """Features that change roles between the halves score like chance: the second half was not looked at."""
    fair, swapped = (score(PLAIN, half(1, swap), choices, N_ROWS)["plain"] for swap in (False, True))
    for c in (0, 1):
        assert auc(resampled(fair[c]))[0] > 0.85
        assert auc(resampled(swapped[c]))[0] < 0.5


def test_a_class_too_rare_is_not_chosen_for():
    assert choose(PLAIN, half(0), 2, 10_000) == {"plain": {}, "foreign": {}}


@pytest.mark.parametrize("carries", [True, False])
def test_the_interval_of_the_auc_is_that_of_redrawing_rows_and_ranking_anew(carries):
    """Rows differ in where their positives (or, the other way round, their negatives) stand; both must show."""
    draw = torch.Generator().manual_seed(0)
    positive = torch.rand(N_ROWS, POS, generator=draw) < 0.5
    level = torch.randn(N_ROWS, 1, generator=draw) * (positive == carries)
    x = torch.rand(N_ROWS, POS, generator=draw) + 0.5 * positive + level
    row = torch.arange(N_ROWS).repeat_interleave(POS)
    per_token = row_sums(positive.flatten(), x.flatten(), positive.flatten())
    sums = torch.zeros(N_ROWS, 6).double().index_add_(0, row, per_token)
    draws, anew = auc(resampled(sums))[1:], []
    for _ in range(200):
        rows = torch.randint(N_ROWS, (N_ROWS,), generator=draw)
        anew.append(roc_auc_score(positive[rows].flatten(), x[rows].flatten()))
    anew = torch.tensor(anew)
    assert draws.mean().item() == pytest.approx(anew.mean().item(), abs=0.02)
    assert draws.std().item() == pytest.approx(anew.std().item(), rel=0.2)


def test_a_tokens_share_of_the_auc_counts_ties_half():
    positive = torch.tensor([True, True, False, False])
    sums = row_sums(positive, torch.tensor([1.0, 2.0, 1.0, 0.0]), positive)
    assert sums[:, 2].tolist() == [0.75, 1, 0, 0]
    assert sums[:, 4].tolist() == [0, 0, 0.75, 1]
