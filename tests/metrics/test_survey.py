"""The first look counts half the rows; the second finds the same activations on all of them."""

import torch
from oracles.planted_model import knowing_dictionary, labelled_rows
from oracles.toy_model import SITE, ToyModel
from sklearn.metrics import f1_score

from mechlab.metrics.labels import Classes
from mechlab.metrics.survey import Watched


def watched(batch_rows: int = 16) -> Watched:
    model = ToyModel()
    return Watched(model, knowing_dictionary(model), labelled_rows(), SITE, batch_rows)


@torch.no_grad()
def codes(all_rows: bool) -> torch.Tensor:
    rows = labelled_rows() if all_rows else labelled_rows().select(slice(0, None, 2))
    model = ToyModel()
    return knowing_dictionary(model).encode(model.embedding[rows.tokens.long()]) * ~rows.special[..., None]


def test_the_survey_scores_every_feature_for_every_class_on_every_other_row():
    classes = Classes.of(labelled_rows().label_names)
    survey = watched().survey(classes, min_positives=5)
    half, rows = codes(all_rows=False), labelled_rows().select(slice(0, None, 2))
    positive = rows.labels["colour"] == 2
    for feature in (3, 17):
        threshold = survey.thresholds[2, feature]
        fires = (half[..., feature] > 0) & (half[..., feature] >= threshold)
        expected = f1_score(positive[~rows.special], fires[~rows.special], zero_division=0)
        assert abs(survey.f1[2, feature].item() - expected) < 1e-9
    assert survey.f1[2].argmax() == 3
    assert not survey.f1[classes.names.index("shape=never")].any(), "too rare to judge"


def test_the_second_look_returns_each_features_activation_on_every_token():
    """Feature 0 answers to the special token alone, so it never counts as active."""
    expected = codes(all_rows=True)
    assert expected[..., 5].any() and not expected[..., 0].any()
    for feature, found in zip([5, 0], watched(batch_rows=7).activations([5, 0]), strict=True):
        torch.testing.assert_close(found.to_dense(), expected[..., feature])
