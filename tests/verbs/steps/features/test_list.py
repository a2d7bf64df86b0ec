"""The numbers of a run of features are means over those that fire, with intervals over features."""

import pytest
import torch
from metrics.sample_features import sample_table
from small_run import call
from views.sample_features import sample_features

from mechlab.verbs.steps.features.list import feature_metrics


def test_means_are_over_the_features_that_fire():
    table = sample_features()
    found, fires = feature_metrics(table, 0), table.columns["fires"] > 0
    assert (found["n_features"], found["n_dead"], found["n_tokens"]) == (150, 50, 1000)
    lost = found["removal_loss"]
    assert lost.n == 100 and lost.unit == "nats" and lost.low < lost.value < lost.high
    assert lost.value == pytest.approx(float(table.columns["removal_loss"][fires].nanmean(1).mean()))
    assert found["f1_of_best_cause"].value == pytest.approx(float(table.columns["cause_f1"][fires].mean()))


def test_one_feature_has_no_interval_and_what_is_not_there_is_not_named():
    assert feature_metrics(sample_table(), 0)["removal_loss"] is None
    plain = feature_metrics(sample_features(plain=True), 0)
    assert set(plain) == {"n_features", "n_dead", "n_tokens"}


def test_the_same_seed_gives_the_same_intervals():
    table = sample_features()
    assert feature_metrics(table, 3) == feature_metrics(table, 3) != feature_metrics(table, 4)
    assert not torch.equal(table.columns["removal_loss"], table.columns["removal_control_loss"])


def test_viewers_cannot_name_features_of_several_layers(transcoders, tmp_path, model):
    done = call("features", transcoders[1], "--tokens", 700, "--objects", tmp_path / "objects", "--feature", "2")
    assert done.code == 0, done.err
    assert [path.stem for path in (tmp_path / "objects").iterdir()] == ["8"], "layer 1, feature 2"
