"""The tables that verbs show say what each number means."""

from mechlab.core.estimate import Estimate
from mechlab.views.report_data import Baseline, Fact, MetricRow
from mechlab.views.table import metric_table, run_card


def test_a_metric_stands_with_meaning_nulls_interval_and_count():
    estimate = Estimate(value=0.5, low=0.4, high=0.6, n=1_000, unit="nats")
    row = MetricRow(name="KL", estimate=estimate, meaning="A distance.", baselines=[Baseline(name="mean", value=2)])
    table = metric_table([row])
    assert table.columns == ("metric", "value", "95 % interval", "n")
    assert table.rows == [("KL\nA distance.\nnull predictors: mean 2", "0.50 nats", "[0.40, 0.60]", "1,000")]


def test_a_metric_without_nulls_does_not_speak_of_them():
    row = MetricRow(name="L0", estimate=Estimate(value=16, low=16, high=16, n=4), meaning="Features per token.")
    assert metric_table([row]).rows[0][0] == "L0\nFeatures per token."


def test_a_run_card_keeps_the_order_of_its_facts():
    facts = [Fact(label="seed", value="0"), Fact(label="model", value="tales")]
    assert run_card(facts, "abc").rows == [("seed", "0"), ("model", "tales")]
