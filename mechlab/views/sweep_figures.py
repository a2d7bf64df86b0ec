"""Pareto plots in plotly: what a dictionary keeps against how many features it takes, seeds, means and front."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from plotly.graph_objects import Figure, Scatter

from mechlab.views.figures import layout
from mechlab.views.numbers import interval, measured, number
from mechlab.views.palette import LIGHT, Palette
from mechlab.views.sweep_data import GroupRow, Measure

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")
HEIGHT_PX = 340
FRONT = "Pareto front"
STEPS = (1, 2, 5)
MOST_TICKS = 6


def pareto_plot(groups: Sequence[GroupRow], cost: Measure, measure: Measure, palette: Palette = LIGHT) -> Figure:
    """Return one site's dictionaries: small marks are seeds, large ones means with intervals over seeds."""
    shown = [group for group in groups if {cost.name, measure.name} <= group.means.keys()]
    figure = Figure(layout=layout(palette, height=HEIGHT_PX))
    figure.add_trace(_front(shown, cost, measure, palette))
    for index, series in enumerate(dict.fromkeys(group.series for group in shown)):
        alike = [group for group in shown if group.series == series]
        marker = {"color": _colour(index, palette), "symbol": SYMBOLS[index % len(SYMBOLS)]}
        figure.add_trace(_seeds(alike, cost, measure, marker))
        figure.add_trace(_means(alike, cost, measure, marker))
    values = [group.means[cost.name].value for group in shown]
    figure.update_xaxes(title=escape(cost.title), **_log_axis([value for value in values if value > 0]))
    figure.update_yaxes(title=escape(measure.title), nticks=6)
    return figure.update_layout(showlegend=True, hovermode="closest", margin={"t": 56})


def _front(groups: Sequence[GroupRow], cost: Measure, measure: Measure, palette: Palette) -> Scatter:
    on_front = [group.means for group in groups if measure.name in group.fronts]
    points = sorted((means[cost.name].value, means[measure.name].value) for means in on_front)
    line = {"color": palette.muted, "width": 1.4, "dash": "dot"}
    drawn = Scatter(x=[x for x, _ in points], y=[y for _, y in points], mode="lines", name=FRONT, line=line)
    return drawn.update(hoverinfo="skip")


def _seeds(groups: Sequence[GroupRow], cost: Measure, measure: Measure, marker: dict[str, Any]) -> Scatter:
    several = [group for group in groups if len(group.seeds) > 1]
    points = [
        (one.metrics[cost.name], one.metrics[measure.name], f"{escape(one.name)}, seed {one.seed}")
        for group in several
        for one in group.seeds
        if {cost.name, measure.name} <= one.metrics.keys()
    ]
    told = [f"<b>{name}</b><br>L0 {measured(x)}<br>{measured(y)} {interval(y)} over text" for x, y, name in points]
    dots = Scatter(x=[x.value for x, _, _ in points], y=[y.value for _, y, _ in points], mode="markers", name="seeds")
    dots.update(marker=marker | {"size": 6, "symbol": f"{marker['symbol']}-open"}, customdata=told, showlegend=False)
    return dots.update(hovertemplate="%{customdata}<extra></extra>")


def _means(groups: Sequence[GroupRow], cost: Measure, measure: Measure, marker: dict[str, Any]) -> Scatter:
    xs = [group.means[cost.name] for group in groups]
    ys = [group.means[measure.name] for group in groups]
    bars = {"type": "data", "symmetric": False, "thickness": 1.4, "width": 5}
    bars |= {"array": [y.high - y.value for y in ys], "arrayminus": [y.value - y.low for y in ys]}
    told = [_told(group, cost, measure) for group in groups]
    name = escape(groups[0].series)
    dots = Scatter(x=[x.value for x in xs], y=[y.value for y in ys], mode="markers", name=name, error_y=bars)
    dots.update(marker=marker | {"size": 10, "line": {"width": 0}}, customdata=told)
    return dots.update(hovertemplate="%{customdata}<extra></extra>")


def _told(group: GroupRow, cost: Measure, measure: Measure) -> str:
    x, y = group.means[cost.name], group.means[measure.name]
    over = f"{interval(y)} over {y.n} seeds" if y.n > 1 else "one seed"
    name = group.label if y.n > 1 else group.seeds[0].name
    return f"<b>{escape(name)}</b><br>L0 {measured(x)}<br>{escape(measure.title)} {measured(y)}, {over}"


def _log_axis(values: Sequence[float]) -> dict[str, Any]:
    """Return a log axis with ticks at the values, or at 1, 2 and 5 times powers of ten where they are many."""
    if not values:
        return {}
    low, high = math.log10(min(values)) - 0.12, math.log10(max(values)) + 0.12
    powers = range(math.floor(low), math.ceil(high) + 1)
    asked = sorted({round(value, 2) for value in values})
    ticks = [step * 10.0**power for power in powers for step in STEPS if low <= math.log10(step * 10.0**power) <= high]
    ticks = asked if len(asked) <= MOST_TICKS else ticks
    return {"type": "log", "range": [low, high], "tickvals": ticks, "ticktext": [number(tick, 3) for tick in ticks]}


def _colour(index: int, palette: Palette) -> str:
    return (palette.blue, palette.orange, palette.ink, palette.muted)[index % 4]
