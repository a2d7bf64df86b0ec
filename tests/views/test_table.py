"""The tables that verbs show say what each number means."""

from mechlab.core.estimate import Estimate
from mechlab.views.report_data import Baseline, Fact, MetricRow
from mechlab.views.table import metric_table, run_card


def test_a_metric_stands_with_unit_interval_count_and_controls():
    estimate = Estimate(value=0.5, low=0.4, high=0.6, n=1_000, unit="nats")
    controls = [Baseline(name="mean", value=2), Baseline(name="zero", value=0)]
    table = metric_table([MetricRow(name="KL", estimate=estimate, meaning="A distance.", baselines=controls)])
    assert table.columns == ("metric", "value", "95 % interval", "n", "controls")
    assert table.rows == [("KL", "0.50\nnats", "[0.40, 0.60]", "1,000", "mean 2\nzero 0")]


def test_a_metric_without_controls_or_unit_leaves_the_cells_plain():
    row = MetricRow(name="L0", estimate=Estimate(value=16, low=16, high=16, n=4), meaning="Features per token.")
    assert metric_table([row]).rows == [("L0", "16", "[16, 16]", "4", "")]


def test_a_run_card_keeps_the_order_of_its_facts():
    facts = [Fact(label="seed", value="0"), Fact(label="model", value="tales")]
    assert run_card(facts, "abc").rows == [("seed", "0"), ("model", "tales")]
