"""What metrics found reaches the page unchanged: values, controls, order, and nothing where nothing is known."""

import torch

from mechlab.core.estimate import Estimate
from mechlab.metrics.contexts import Context
from mechlab.metrics.detection import Detector
from mechlab.metrics.ground_truth import GroundTruth, Recovered
from mechlab.metrics.portraits import FeaturePortrait, Label
from mechlab.metrics.race import Choice
from mechlab.views.findings import cause_rows, feature_card, metric_rows


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.1, high=value + 0.1, n=7)


def recovered(cause: str, contender: str, f1: float | None) -> Recovered:
    found = None if f1 is None else estimate(f1)
    return Recovered(cause, contender, 50, Choice(Detector(3, 0.5), 4), found, found)


def test_a_metric_stands_beside_the_untrained_one():
    rows = metric_rows({"l0": estimate(16.0), "untrained.l0": estimate(15.0), "n_tokens": 9})
    assert [(row.name, row.estimate.value) for row in rows] == [("l0", 16.0)]
    assert [(control.name, control.value) for control in rows[0].baselines] == [("untrained", 15.0)]


def test_recovery_of_causes_stands_beside_its_three_controls():
    values = {"dictionary": 0.5, "random_dictionary": 0.2, "neurons": 0.3, "shuffled_labels": 0.05}
    (row,) = metric_rows({f"mean_f1.{name}": estimate(value) for name, value in values.items()})
    assert row.name == "mean_f1.dictionary"
    assert {control.name: control.value for control in row.baselines} == {
        "random dictionary": 0.2,
        "neurons": 0.3,
        "shuffled labels": 0.05,
    }


def test_what_is_undefined_or_has_no_meaning_to_show_is_left_out():
    assert metric_rows({"l0": None, "unheard_of": estimate(1.0)}) == ()


def test_the_best_recovered_cause_comes_first_and_undefined_ones_are_left_out():
    lines = [
        recovered("season=winter", "dictionary", 0.4),
        recovered("season=winter", "neurons", 0.3),
        recovered("topic=sea", "dictionary", 0.9),
        recovered("month=May", "dictionary", None),
    ]
    rows = cause_rows(GroundTruth(tuple(lines), {}, {}, {}, ()))
    assert [(row.cause, row.feature, row.f1.value) for row in rows] == [
        ("topic=sea", 3, 0.9),
        ("season=winter", 3, 0.4),
    ]
    assert [(control.name, control.f1) for control in rows[1].baselines] == [("neurons", 0.3)]


def test_without_labels_there_are_no_causes():
    assert cause_rows(None) == ()


def portrait(label: Label | None) -> FeaturePortrait:
    context = Context(row=2, start=0, tokens=("a", "b"), activations=(0.0, 2.0), focus=1)
    return FeaturePortrait(
        feature=12,
        density=estimate(0.25),
        n_tokens=100,
        max_activation=2.0,
        edges=tuple(torch.linspace(0, 2, 3).tolist()),
        counts=(1, 3),
        top=(context,),
        bands=(),
        promoted=(("x", 0.5),),
        suppressed=(("y", -0.5),),
        label=label,
    )


def test_a_card_says_what_its_portrait_says():
    card = feature_card(portrait(Label("topic=sea", 0.5, estimate(0.8))))
    assert (card.id, card.density, card.max_activation, card.label) == (12, 0.25, 2.0, "topic=sea")
    assert card.histogram is not None and card.histogram.counts == (1, 3)
    assert (card.contexts[0].tokens, card.contexts[0].activations, card.contexts[0].focus) == (
        ("a", "b"),
        (0.0, 2.0),
        1,
    )
    assert (card.positive_logits, card.negative_logits) == ((("x", 0.5),), (("y", -0.5),))
    assert "0.8" in card.note


def test_a_feature_without_a_known_cause_has_no_label():
    card = feature_card(portrait(None))
    assert (card.label, card.note) == ("", "")
