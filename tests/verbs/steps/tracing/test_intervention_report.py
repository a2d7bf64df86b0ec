"""The report tells how far a graph's predictions hold: exactly where all is held, less in the model, not for noise."""

import pytest
from circuits.attribution.small_passes import small_pass
from scipy import stats

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.circuits.attribution.validation import EditSettings, measured_edits
from mechlab.verbs.steps.tracing.intervention_report import intervention_report


def test_it_holds_predictions_against_measurements():
    model, frozen, _ = small_pass("gpt2", "relu with a skip", n_pos=8)
    graph = attribution_graph(frozen, logit_targets(frozen, [3, 7]))
    settings = EditSettings(n=24, seed=3)
    report = intervention_report(model, graph, settings)
    assert (report.n, report.seed) == (24, 3) and report.largest_miss < 1e-9
    assert len(report.compared) == 9
    for group in ("features", "random features"):
        direct = report.of(group, "direct")
        assert direct.pearson.low == pytest.approx(1) and direct.slope.value == pytest.approx(1)
        assert report.of(group, "model").pearson.value < 0.9999
    assert report.of("features", "direct").slope.n == 24
    edited = measured_edits(model, graph, settings)["features"]
    wanted = stats.spearmanr(edited.total.flatten(), edited.measured["model"].flatten()).statistic
    assert report.of("features", "model").spearman.value == pytest.approx(wanted)
    assert report.of("features", "replacement").pearson.value > 0.5
    noise = report.of("random directions", "direct")
    assert noise.pearson.n == 5 * 24 and abs(noise.pearson.value) < 0.3


def test_a_single_edit_has_no_interval():
    model, frozen, _ = small_pass("gpt2", "relu", n_pos=6)
    report = intervention_report(model, attribution_graph(frozen, logit_targets(frozen, [3])), EditSettings(n=1))
    assert report.n == 1 and report.of("features", "model") is None and report.largest_miss < 1e-9
