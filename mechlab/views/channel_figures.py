"""Figures of channels in plotly: which head reads which, with the noise floor in grey, and how surprising all are."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from plotly.graph_objects import Bar, Figure, Heatmap, Scatter

from mechlab.views.channel_data import Grid, ModeMap, NoiseRow, layer_of
from mechlab.views.figures import layout
from mechlab.views.numbers import number, share
from mechlab.views.palette import LIGHT, Palette

LEAST = 0.5  # z below this share one colour
MOST_HEADS = 24  # as many heads are named one by one, more by their layers
NOISE_PX = 260


def pair_map(senders: Sequence[str], receivers: Sequence[str], found: ModeMap, rate: float, palette: Palette) -> Figure:
    """Return the heatmap of a mode: pairs whose best component is a discovery in colour, others in grey.

    Colours run with the logarithm of z.
    """
    bounds = _bounds(found.best, found.floor)
    shades = [
        [_shade(z, known, bounds) for z, known in zip(*rows, strict=True)]
        for rows in zip(found.best, found.discovered, strict=True)
    ]
    cells = Heatmap(z=shades, customdata=found.best, zmin=bounds[0], zmax=bounds[2], hoverongaps=False)
    cells.update(x=_named(receivers), y=_named(senders), colorscale=_scale(bounds, palette))
    cells.update(hovertemplate="%{y} → %{x}: z %{customdata}<extra></extra>")
    cells.update(colorbar=_bar(bounds, found.floor, rate, palette))
    figure = Figure(cells, layout(palette, height=400))
    figure.update_xaxes(**_axis(receivers), title=f"receiver, read as {found.name}", side="bottom", tickangle=-90)
    figure.update_yaxes(**_axis(senders, down=True), title="sender", showgrid=False)
    figure.update_layout(shapes=_borders(senders, receivers, palette), dragmode="zoom", uirevision="kept")
    return figure.update_layout(height=None, autosize=True, margin={"t": 78, "r": 4})


def noise_histogram(row: NoiseRow, floor: float | None, rate: float, palette: Palette = LIGHT) -> Figure:
    """Return how many components have which z, beside what the null expects, on a logarithmic axis."""
    centres = [(low + high) / 2 for low, high in pairwise(row.edges)]
    width = row.edges[1] - row.edges[0]
    told = [
        f"{number(count)} with z from {number(low)} to {number(high)}; chance gives {number(expected, 3)}"
        for (low, high), count, expected in zip(pairwise(row.edges), row.counts, row.expected, strict=True)
    ]
    bars = Bar(x=centres, y=row.counts, width=width, name="components", marker={"color": palette.blue})
    bars.update(customdata=told, hovertemplate="%{customdata}<extra></extra>")
    chance = Scatter(x=centres, y=[value or None for value in row.expected], mode="lines", name="expected by chance")
    chance.update(line={"color": palette.orange, "width": 2}, hoverinfo="skip")
    figure = Figure([bars, chance], layout(palette, height=NOISE_PX)).update_layout(showlegend=True)
    top = max(row.counts)
    figure.update_xaxes(
        title="z of a component, in standard deviations of the null", range=[row.edges[0], row.edges[-1]]
    )
    ticks = [10**power for power in range(math.ceil(math.log10(top)) + 1)]
    figure.update_yaxes(title="components", type="log", range=[-0.3, math.log10(top) + 0.25])
    figure.update_yaxes(tickvals=ticks, ticktext=[number(tick) for tick in ticks])
    if floor is not None and floor < row.edges[-1]:
        _floor_line(figure, floor, rate, palette)
    if row.n_above:
        place = {"x": 1, "y": 0.62, "xref": "paper", "yref": "paper", "xanchor": "right"}
        text = f"{number(row.n_above)} more lie<br>beyond z = {number(row.edges[-1])} →"
        figure.add_annotation(text=text, showarrow=False, align="right", font={"color": palette.muted}, **place)
    return figure


def _floor_line(figure: Figure, floor: float, rate: float, palette: Palette) -> None:
    line = {"color": palette.ink, "width": 1.2, "dash": "dot"}
    figure.add_shape(type="line", x0=floor, x1=floor, y0=0, y1=1, yref="paper", line=line)
    place = {"x": floor, "y": 1, "yref": "paper", "xanchor": "left", "yanchor": "top", "xshift": 4}
    text = f"{share(rate)} false discoveries"
    figure.add_annotation(text=text, showarrow=False, font={"size": 12, "color": palette.ink}, **place)


def _bounds(best: Grid, floor: float | None) -> tuple[float, float, float]:
    """Return the logarithms of z at which grey begins, colour begins, and colour ends."""
    most = max((z for row in best for z in row if z is not None), default=1.0)
    low = math.log10(LEAST)
    if floor is None:
        high = math.log10(max(most, 2 * LEAST))
        return low, high, high
    return low, max(math.log10(max(floor, LEAST)), low + 0.1), max(math.log10(most), math.log10(floor) + 0.1)


def _shade(z: float | None, discovered: bool, bounds: tuple[float, float, float]) -> float | None:
    """Return a cell's place on the scale: a discovery in the coloured part, anything else in the grey one."""
    if z is None:
        return None
    _, floor, high = bounds
    place = math.log10(max(z, LEAST))
    return (
        round(min(max(place, floor), high), 2) + 0.01
        if discovered
        else math.floor(100 * min(place, floor - 0.01)) / 100
    )


def _scale(bounds: tuple[float, float, float], palette: Palette) -> list[tuple[float, str]]:
    low, floor, high = bounds
    greys = [_mixed(palette.paper, palette.line, part) for part in (0.35, 1.1)]
    if floor == high:
        return [(0.0, greys[0]), (1.0, greys[1])]
    at = (floor - low) / (high - low)
    blues = [_mixed(palette.paper, palette.blue, 0.4), palette.blue, _mixed(palette.blue, palette.ink, 0.75)]
    return [(0.0, greys[0]), (at, greys[1]), (at, blues[0]), (at + 0.6 * (1 - at), blues[1]), (1.0, blues[2])]


def _bar(bounds: tuple[float, float, float], floor: float | None, rate: float, palette: Palette) -> dict[str, Any]:
    low, start, high = bounds
    steps = [z for power in range(4) for z in (10**power, 2 * 10**power, 5 * 10**power)]
    ticks = [z for z in steps if low < math.log10(z) < high and abs(math.log10(z) - start) > 0.12 * (high - low)]
    named = {math.log10(z): number(z) for z in ticks}
    if floor is not None:
        named[start] = f"<b>{number(floor, 2)}</b>"
    told = f"{'none' if floor is None else 'in colour'} below {share(rate)} false discoveries"
    return {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "ypad": 6,
        "xpad": 0,
        "len": 1,
        "thickness": 10,
        "outlinewidth": 0,
        "tickvals": list(named),
        "ticktext": list(named.values()),
        "tickfont": {"size": 11},
        "title": {"text": f"z; {told}", "side": "top", "font": {"size": 12, "color": palette.muted}},
    }


def _axis(heads: Sequence[str], *, down: bool = False) -> dict[str, Any]:
    """Return an axis of heads that can be zoomed: every head named where they are few, else every layer."""
    ends = [len(heads) - 0.5, -0.5] if down else [-0.5, len(heads) - 0.5]
    shown = {"type": "category", "range": ends, "fixedrange": False, "zeroline": False, "showline": False, "ticks": ""}
    if len(heads) <= MOST_HEADS:
        return shown | {"tickvals": list(range(len(heads))), "ticktext": list(heads), "tickfont": {"size": 11}}
    layers = [layer_of(head) for head in heads]
    middles = {layer: layers.index(layer) + (layers.count(layer) - 1) / 2 for layer in dict.fromkeys(layers)}
    return shown | {"tickvals": list(middles.values()), "ticktext": [f"layer {layer}" for layer in middles]}


def _named(heads: Sequence[str]) -> list[str]:
    """Return heads as categories of an axis; a bare `1.5` would be taken for a place on it."""
    return [f"head {head}" for head in heads]


def _borders(senders: Sequence[str], receivers: Sequence[str], palette: Palette) -> list[dict[str, Any]]:
    """Return thin lines between layers."""
    line = {"color": palette.paper, "width": 1.5}
    shapes: list[dict[str, Any]] = []
    for heads, along, across, n in ((senders, "y", "x", len(receivers)), (receivers, "x", "y", len(senders))):
        for place, (one, following) in enumerate(pairwise(heads)):
            if layer_of(one) != layer_of(following):
                here = {f"{along}0": place + 0.5, f"{along}1": place + 0.5, f"{across}0": -0.5, f"{across}1": n - 0.5}
                shapes.append({"type": "line", "line": line, **here})
    return shapes


def _mixed(first: str, second: str, part: float) -> str:
    """Return the colour a part of the way from one to the other, or beyond it."""
    ends = [[int(colour[place : place + 2], 16) for place in (1, 3, 5)] for colour in (first, second)]
    mixed = (round(min(255, max(0, low + part * (high - low)))) for low, high in zip(*ends, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)
