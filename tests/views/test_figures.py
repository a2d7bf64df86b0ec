"""Figures show the data they are given, with their intervals, in both sets of colours."""

import json

import pytest
from views.sample_report import sample_report

from mechlab.core.estimate import Estimate
from mechlab.views.figures import density_histogram, ground_truth, metric_intervals, training_curve, training_curves
from mechlab.views.palette import DARK, THEMES
from mechlab.views.report_data import Baseline, Histogram, MetricRow

DATA = sample_report()


def row(name: str, value: float, unit: str = "", **nulls: float) -> MetricRow:
    baselines = [Baseline(name=null, value=score) for null, score in nulls.items()]
    estimate = Estimate(value=value, low=value - 0.1, high=value + 0.2, n=50, unit=unit)
    return MetricRow(name=name, estimate=estimate, meaning="", baselines=baselines)


def test_a_curve_draws_its_points_and_says_its_last_value():
    curve = DATA.curves[0]
    figure = training_curve(curve)
    assert (tuple(figure.data[0].x), tuple(figure.data[0].y)) == (curve.steps, curve.values)
    assert figure.layout.annotations[0].text == "0.110"


def test_small_multiples_hold_every_curve_on_its_own_axes():
    figure = training_curves(DATA.curves, columns=3)
    assert [trace.name for trace in figure.data] == [curve.name for curve in DATA.curves]
    assert len({trace.xaxis for trace in figure.data}) == len(DATA.curves)


def test_a_density_bar_stands_between_its_edges_and_says_how_often():
    figure = density_histogram(Histogram(edges=[-3, -2, -1], counts=[5, 7]), n_dead=4)
    bars = figure.data[0]
    assert (tuple(bars.x), tuple(bars.width), tuple(bars.y)) == ((-2.5, -1.5), (1, 1), (5, 7))
    assert bars.customdata[0] == "5 features fire on 1 token in 100 to 1 in 1,000"
    assert figure.layout.annotations[0].text == "4 features never fired"
    assert "10<sup>−3</sup>" in figure.layout.xaxis.ticktext


def test_a_metric_stands_with_its_interval_and_its_nulls():
    figure = metric_intervals([row("ev", 0.7, random=0.1, mean=0.0)])
    measured, random, mean = figure.data
    assert (measured.x, measured.y) == ((0.7,), ("ev",))
    assert measured.error_x.array == pytest.approx([0.2])
    assert measured.error_x.arrayminus == pytest.approx([0.1])
    assert "n = 50" in measured.customdata[0]
    assert ((random.name, random.x), (mean.name, mean.x)) == (("random", (0.1,)), ("mean", (0.0,)))


def test_metrics_of_different_units_never_share_an_axis():
    figure = metric_intervals([row("ev", 0.7, random=0.1), row("kl", 2.0, "nats", random=3.0), row("cos", 0.9)])
    places = {name: trace.xaxis for trace in figure.data for name in trace.y}
    assert places["ev"] == places["cos"] != places["kl"]
    assert figure.layout.xaxis2.title.text == "nats"


def test_a_null_is_named_once_in_the_legend_and_has_its_own_shape():
    figure = metric_intervals([row("ev", 0.7, random=0.1, mean=0.2), row("kl", 2.0, "nats", random=3.0, mean=1.0)])
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert sorted(named) == ["mean", "measured", "random"]
    assert len({trace.marker.symbol for trace in figure.data}) == 3


def test_known_causes_stand_beside_what_learned_nothing():
    figure = ground_truth(DATA.ground_truth)
    assert [trace.name for trace in figure.data] == ["best feature", "random dictionary", "raw neurons"]
    assert list(figure.data[0].x) == [cause.f1.value for cause in DATA.ground_truth]


@pytest.mark.parametrize("palette", THEMES, ids=lambda palette: palette.name)
def test_every_figure_wears_one_palette(palette):
    other = next(theme for theme in THEMES if theme is not palette)
    for figure in (
        training_curve(DATA.curves[0], palette),
        training_curves(DATA.curves, palette),
        density_histogram(DATA.density, 3, palette),
        metric_intervals(DATA.metrics, palette),
        ground_truth(DATA.ground_truth, palette),
    ):
        text = figure.to_json()
        assert palette.paper in text and palette.blue in text
        assert not [
            colour for colour in (other.paper, other.ink, other.blue, other.muted, other.line) if colour in text
        ]


def test_a_hostile_name_stays_text_in_a_figure():
    figure = metric_intervals([row("<a href='x'>", 0.5, **{"<b>": 0.1})], DARK)
    assert figure.data[0].y == ("&lt;a href=&#x27;x&#x27;&gt;",)
    assert "<b>" not in json.dumps(figure.data[1].to_plotly_json())


def test_an_empty_curve_is_an_empty_figure():
    assert len(training_curve(DATA.curves[0].model_copy(update={"steps": (), "values": ()})).data[0].x) == 0
