"""Pareto plots: what is drawn where, and what a mark says when pointed at."""

import pytest
from views.sample_sweep import COST, KEPT, group, sample_sweep

from mechlab.views.palette import DARK
from mechlab.views.sweep_figures import pareto_plot

AT_ONE = [one for one in sample_sweep().groups if one.site == "resid_post.1"]


def traces(figure):
    """Return the front, and by series its seeds and its means."""
    front, *rest = figure.data
    return front, {mean.name: (seeds, mean) for seeds, mean in zip(rest[::2], rest[1::2], strict=True)}


def test_means_stand_at_l0_and_what_is_kept_with_bars_over_seeds():
    _, series = traces(pareto_plot(AT_ONE, COST, KEPT))
    assert list(series) == ["256 features", "512 features"]
    seeds, means = series["512 features"]
    assert list(means.x) == [8, 16]
    assert list(means.y) == pytest.approx([0.5912, 0.6312])
    assert list(means.error_y.array) == pytest.approx([0.02, 0.02])
    assert list(means.error_y.arrayminus) == pytest.approx([0.02, 0.02])
    assert list(seeds.x) == [8] * 3 + [16] * 3
    assert seeds.marker.color == means.marker.color and seeds.marker.size < means.marker.size


def test_a_mark_names_its_member():
    _, series = traces(pareto_plot(AT_ONE, COST, KEPT))
    seeds, means = series["256 features"]
    assert "resid_post.1-256-k8-seed2" in seeds.customdata[2] and "seed 2" in seeds.customdata[2]
    assert "256 features, k 8" in means.customdata[0] and "over 3 seeds" in means.customdata[0]
    assert "%{customdata}" in seeds.hovertemplate and "%{customdata}" in means.hovertemplate


def test_the_front_joins_its_means_from_the_sparsest_on():
    front, _ = traces(pareto_plot(list(reversed(AT_ONE)), COST, KEPT))
    assert list(front.x) == [8, 16]
    assert list(front.y) == pytest.approx([0.5912, 0.6312])


def test_one_seed_is_one_mark_named_by_its_run():
    _, series = traces(pareto_plot([group("resid_post.1", 256, 8, n_seeds=1)], COST, KEPT))
    seeds, means = series["256 features"]
    assert len(seeds.x) == 0
    assert "resid_post.1-256-k8-seed0" in means.customdata[0] and "one seed" in means.customdata[0]


def test_series_differ_in_colour_and_in_shape():
    _, series = traces(pareto_plot(AT_ONE, COST, KEPT, DARK))
    marks = [means.marker for _, means in series.values()]
    assert len({mark.color for mark in marks}) == len({mark.symbol for mark in marks}) == 2


def test_the_axis_of_l0_is_logarithmic_with_ticks_at_the_values():
    axis = pareto_plot(AT_ONE, COST, KEPT).layout.xaxis
    assert (axis.type, list(axis.tickvals), list(axis.ticktext)) == ("log", [8, 16], ["8", "16"])
    many = [group("resid_post.1", 256, k) for k in range(10, 90, 9)]
    assert list(pareto_plot(many, COST, KEPT).layout.xaxis.tickvals) == [10, 20, 50, 100]


def test_a_site_where_nothing_was_measured_is_an_empty_plot():
    assert [len(trace.x) for trace in pareto_plot([], COST, KEPT).data] == [0]
