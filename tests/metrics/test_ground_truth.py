"""A dictionary that knows the causes recovers them all; controls do not; rare classes are left out by name."""

import pytest
import torch
from oracles.planted_model import knowing_dictionary, labelled_rows
from oracles.toy_model import SITE, ToyModel, toy_rows
from sklearn.metrics import f1_score, roc_auc_score

from mechlab.core.errors import UsageError
from mechlab.metrics.ground_truth import GroundTruth, GroundTruthConfig, ground_truth


@pytest.fixture(scope="module")
def model() -> ToyModel:
    return ToyModel()


@pytest.fixture(scope="module")
def table(model) -> GroundTruth:
    return ground_truth(model, knowing_dictionary(model), labelled_rows(), SITE)


def test_known_causes_are_recovered_by_their_own_features(table):
    for line in table.recovered:
        if line.contender == "dictionary":
            label, value = line.class_name.split("=")
            token = 1 + ("red", "green", "blue", "grey").index(value) if label == "colour" else 11 + (value == "square")
            assert line.f1.value == line.auc.value == 1
            assert line.choice.by_f1.feature == line.choice.by_auc == token


def test_foreign_labels_score_like_chance(table):
    assert table.mean_f1["shuffled labels"].value < 0.15
    assert table.mean_auc["shuffled labels"].low - 0.03 < 0.5 < table.mean_auc["shuffled labels"].high + 0.03


def test_controls_lie_between_chance_and_knowledge_and_the_lead_has_an_interval(table):
    for name in ("random dictionary", "neurons"):
        assert table.mean_f1["shuffled labels"].value < table.mean_f1[name].value < 0.95
        lead = table.f1_ahead[name]
        assert lead.value == pytest.approx(1 - table.mean_f1[name].value)
        assert lead.low > 0
    assert table.f1_ahead["dictionary"].value == table.f1_ahead["dictionary"].high == 0


def test_every_class_is_scored_for_every_contender_or_left_out_by_name(table):
    assert table.left_out == ("shape=never",)
    assert len(table.recovered) == 6 * 4
    for line in table.recovered:
        assert line.n_positives >= 20
        assert line.f1.n == line.auc.n == 40


def test_neurons_score_what_scikit_learn_says_of_the_half_they_were_not_chosen_on(model, table):
    rows = labelled_rows()
    unseen, scored = rows.select(slice(1, None, 2)), ~rows.special[1::2]
    x = model.embedding[unseen.tokens.long()][scored]
    mean = model.embedding[rows.tokens.long()][~rows.special].double().mean(0).float()
    features = torch.cat([x - mean, mean - x], dim=-1)
    lines = [line for line in table.recovered if line.contender == "neurons"]
    for line in lines:
        label, value = line.class_name.split("=")
        positive = (unseen.labels[label] == rows.label_names[label].index(value))[scored]
        fires = line.choice.by_f1.fires(features[:, line.choice.by_f1.feature])
        assert line.f1.value == pytest.approx(f1_score(positive, fires))
        assert line.auc.value == pytest.approx(roc_auc_score(positive, features[:, line.choice.by_auc]))
    assert min(line.f1.value for line in lines) < 0.9, "a perfect score would be the same on either half"


def test_batch_size_changes_nothing(model, table):
    other = ground_truth(model, knowing_dictionary(model), labelled_rows(), SITE, GroundTruthConfig(batch_rows=7))
    assert other.mean_f1 == table.mean_f1 and other.recovered == table.recovered


def test_classes_all_too_rare_leave_an_empty_table(model):
    config = GroundTruthConfig(min_positives=10_000)
    table = ground_truth(model, knowing_dictionary(model), labelled_rows(), SITE, config)
    assert table.recovered == () and table.mean_f1["dictionary"] is None and len(table.left_out) == 7


def test_a_corpus_without_labels_is_refused(model):
    with pytest.raises(UsageError, match="no labels"):
        ground_truth(model, knowing_dictionary(model), toy_rows(model), SITE)
