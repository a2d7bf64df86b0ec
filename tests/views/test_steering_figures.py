"""The trade plot: what is drawn where, and what a mark says when pointed at."""

import pytest
from views.sample_steering import sample_steering

from mechlab.views.palette import DARK
from mechlab.views.steering_figures import trade_plot

WAYS = sample_steering().ways


def by_way(figure):
    """Return the line and the large mark of each way."""
    return {line.name: (line, mark) for line, mark in zip(figure.data[::2], figure.data[1::2], strict=True)}


def test_a_line_joins_a_way_s_strengths_from_the_model_as_it_is():
    line, mark = by_way(trade_plot(WAYS, 0.15))["mean difference"]
    assert list(line.x) == pytest.approx([0, 3, 9, 60]) and list(line.y) == pytest.approx([0.08, 0.41, 0.86, 0.99])
    assert list(mark.x) == pytest.approx([9]) and list(mark.y) == pytest.approx([0.86])
    assert list(mark.error_y.array) == pytest.approx([0.03]) and mark.marker.size > max(line.marker.size)
    assert line.marker.size[2] > line.marker.size[3]  # what nothing beats is larger


def test_a_strength_without_a_cost_has_no_place():
    line, mark = by_way(trade_plot(WAYS, 0.15))["random direction"]
    assert list(line.x) == pytest.approx([0, 5, 40]) and list(mark.x) == [0]
    assert "as it is" in line.customdata[0] and "as it is" in mark.customdata[0]


def test_a_mark_tells_way_strength_concept_and_cost():
    line, mark = by_way(trade_plot(WAYS, 0.15))["mean difference"]
    for said in ("<b>mean difference</b>, strength 4", "0.860 [0.830, 0.890]", "a token costs 9 % more"):
        assert said in line.customdata[2] and said in mark.customdata[0]
    assert "on fresh texts" in mark.customdata[0] and "on fresh texts" not in line.customdata[2]


def test_names_are_texts_and_not_markup():
    assert any("&lt;observable&gt;" in name for name in by_way(trade_plot(WAYS, 0.15)))


def test_what_is_allowed_is_a_line_and_all_points_are_in_sight():
    figure = trade_plot(WAYS, 0.15, DARK)
    assert figure.layout.shapes[0].x0 == figure.layout.shapes[0].x1 == pytest.approx(15)
    low, high = figure.layout.xaxis.range
    assert low < 0 and high > 60 and trade_plot(WAYS[2:], 9.0).layout.xaxis.range[1] <= 103


def test_ways_differ_in_shape_and_neighbours_in_colour():
    marks = [mark.marker for _, mark in by_way(trade_plot(WAYS, 0.15)).values()]
    assert len({mark.symbol for mark in marks}) == len({mark.color for mark in marks}) == 3
