"""Figures in plotly: training curves, feature densities, metric intervals, known causes; inline and on the page."""

from collections.abc import Sequence
from html import escape

from plotly.graph_objects import Bar, Figure, Scatter
from plotly.subplots import make_subplots

from mechlab.core.estimate import Estimate
from mechlab.views.numbers import interval, measured, number
from mechlab.views.palette import LIGHT, Palette
from mechlab.views.report_data import CauseRow, Curve, Histogram, MetricRow

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
NULL_SYMBOLS = ("diamond-open", "x-thin-open", "square-open", "triangle-up-open")
ROW_PX = 28
AXIS_PX = 56


def training_curve(curve: Curve, palette: Palette = LIGHT) -> Figure:
    """Return one small curve with its last value written at its end."""
    figure = Figure(_line(curve, palette), layout(palette, height=170, title=_titled(curve.name, curve.unit, palette)))
    figure.add_annotation(**_last_value(curve, palette))
    figure.update_xaxes(nticks=4)
    figure.update_yaxes(nticks=4, exponentformat=_exponents(curve))
    return figure


def training_curves(curves: Sequence[Curve], palette: Palette = LIGHT, columns: int = 3) -> Figure:
    """Return small multiples of the curves: one step axis each, one scale each."""
    rows = -(-len(curves) // columns)
    titles = [_titled(curve.name, curve.unit, palette) for curve in curves]
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=titles, vertical_spacing=0.35 / max(rows, 1))
    for index, curve in enumerate(curves):
        row, column = index // columns + 1, index % columns + 1
        figure.add_trace(_line(curve, palette), row=row, col=column)
        figure.update_yaxes(nticks=4, exponentformat=_exponents(curve), row=row, col=column)
    figure.update_layout(layout(palette, height=60 + 170 * rows))
    figure.update_xaxes(nticks=4)
    return figure


def density_histogram(density: Histogram, n_dead: int = 0, palette: Palette = LIGHT) -> Figure:
    """Return how many features fire how often; `density.edges` are log10 of the share of tokens."""
    widths = [high - low for low, high in zip(density.edges, density.edges[1:], strict=False)]
    centres = [edge + width / 2 for edge, width in zip(density.edges, widths, strict=False)]
    told = [
        f"{number(count)} features fire on 1 token in {number(10**-high, 2)} to 1 in {number(10**-low, 2)}"
        for low, high, count in zip(density.edges, density.edges[1:], density.counts, strict=False)
    ]
    bars = Bar(x=centres, y=density.counts, width=widths, marker={"color": palette.blue, "line": _gap(palette)})
    bars.update(customdata=told, hovertemplate="%{customdata}<extra></extra>")
    figure = Figure(bars, layout(palette, height=230))
    powers = range(round(density.edges[0] - 0.5), round(density.edges[-1] + 0.5) + 1)
    ticks = [f"10<sup>−{-power}</sup>" if power else "1" for power in powers]
    figure.update_xaxes(title="share of tokens on which the feature fires", tickvals=list(powers), ticktext=ticks)
    figure.update_xaxes(range=[density.edges[0] - 0.05, density.edges[-1] + 0.05])
    figure.update_yaxes(title="features")
    if n_dead:
        figure.add_annotation(_corner(f"{number(n_dead)} features never fired", palette))
    return figure


def metric_intervals(rows: Sequence[MetricRow], palette: Palette = LIGHT) -> Figure:
    """Return every metric as a dot with its 95 % interval beside what null predictors score, one axis per unit."""
    groups = {unit: [row for row in rows if row.estimate.unit == unit] for unit in _units(rows)}
    sizes = [len(group) for group in groups.values()]
    height = ROW_PX * sum(sizes) + AXIS_PX * len(sizes)
    figure = make_subplots(rows=len(groups), cols=1, row_heights=sizes, vertical_spacing=AXIS_PX / height)
    nulls = dict.fromkeys(null.name for row in rows for null in row.baselines)
    for place, (unit, group) in enumerate(groups.items(), start=1):
        names = [escape(row.name) for row in group]
        figure.add_trace(_dots("measured", names, [row.estimate for row in group], palette), row=place, col=1)
        for index, null in enumerate(nulls):
            points = [(escape(r.name), b.value) for r in group for b in r.baselines if b.name == null]
            if points:
                figure.add_trace(_hollow(null, points, index, palette), row=place, col=1)
        figure.update_xaxes(title={"text": escape(unit), "standoff": 4}, row=place, col=1)
        figure.update_yaxes(range=[len(group) - 0.5, -0.5], row=place, col=1)
    figure.update_layout(layout(palette, height=40 + height), showlegend=bool(nulls))
    return _ruled(_legend_once(figure))


def ground_truth(rows: Sequence[CauseRow], palette: Palette = LIGHT) -> Figure:
    """Return the F1 of the best feature for each known cause, beside what learned nothing."""
    names = [escape(row.cause) for row in rows]
    figure = Figure(_dots("best feature", names, [row.f1 for row in rows], palette))
    for index, null in enumerate(dict.fromkeys(b.name for row in rows for b in row.baselines)):
        points = [(escape(row.cause), b.f1) for row in rows for b in row.baselines if b.name == null]
        figure.add_trace(_hollow(null, points, index, palette))
    figure.update_layout(layout(palette, height=100 + ROW_PX * len(rows)), showlegend=True)
    figure.update_xaxes(title="F1 on tokens the feature was not chosen on", range=[-0.02, 1.02])
    figure.update_yaxes(range=[len(rows) - 0.5, -0.5])
    return _ruled(figure)


def layout(palette: Palette, height: int, title: str = "") -> dict[str, object]:
    """Return how every figure is set: no toolbar's room, no zoom, hairlines, the page's colours and type."""
    axis = {
        "gridcolor": palette.line,
        "linecolor": palette.line,
        "zerolinecolor": palette.line,
        "automargin": True,
        "fixedrange": True,
        "title": {"font": {"size": 12, "color": palette.muted}},
    }
    return {
        "template": {"layout": {"xaxis": axis | {"showgrid": False, "ticks": "outside"}, "yaxis": axis}},
        "title": {"text": title, "x": 0, "xanchor": "left", "y": 0.97, "yanchor": "top", "font": {"size": 13}},
        "font": {"family": FONT, "size": 12, "color": palette.ink},
        "paper_bgcolor": palette.paper,
        "plot_bgcolor": palette.paper,
        "hoverlabel": {"bgcolor": palette.panel, "bordercolor": palette.line, "font": {"color": palette.ink}},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "itemclick": False},
        "margin": {"l": 8, "r": 12, "t": 34, "b": 8},
        "height": height,
        "dragmode": False,
        "showlegend": False,
        "bargap": 0,
    }


def _line(curve: Curve, palette: Palette) -> Scatter:
    line = Scatter(x=curve.steps, y=curve.values, mode="lines", line={"color": palette.blue, "width": 1.6})
    return line.update(name=escape(curve.name), hovertemplate="step %{x:,}: %{y:.4g}<extra></extra>", showlegend=False)


def _dots(name: str, names: Sequence[str], estimates: Sequence[Estimate], palette: Palette) -> Scatter:
    whiskers = {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, e.high - e.value) for e in estimates],
        "arrayminus": [max(0.0, e.value - e.low) for e in estimates],
        "thickness": 1.5,
        "width": 4,
    }
    told = [f"{measured(e)} {interval(e)} {escape(e.unit)} (n = {number(e.n)})" for e in estimates]
    dots = Scatter(x=[e.value for e in estimates], y=names, mode="markers", name=name, error_x=whiskers)
    dots.update(marker={"color": palette.blue, "size": 9}, customdata=told)
    return dots.update(hovertemplate="%{y}: %{customdata}<extra></extra>", legendgroup=name)


def _hollow(name: str, points: Sequence[tuple[str, float]], index: int, palette: Palette) -> Scatter:
    marker = {
        "color": (palette.orange, palette.muted)[index % 2],
        "symbol": NULL_SYMBOLS[index % len(NULL_SYMBOLS)],
        "size": 9,
        "line": {"width": 1.6},
    }
    dots = Scatter(x=[x for _, x in points], y=[y for y, _ in points], mode="markers", name=escape(name), marker=marker)
    return dots.update(hovertemplate=f"%{{y}}: {escape(name)} %{{x:.4g}}<extra></extra>", legendgroup=escape(name))


def _titled(name: str, unit: str, palette: Palette) -> str:
    said = f" <span style='color:{palette.muted}'>{escape(unit)}</span>" if unit else ""
    return f"<b>{escape(name)}</b>{said}"


def _last_value(curve: Curve, palette: Palette) -> dict[str, object]:
    text = number(curve.values[-1], 3) if curve.values else ""
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": 1, "xanchor": "right", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 13, "color": palette.blue}, "yshift": 13} | place


def _exponents(curve: Curve) -> str:
    return "e" if all(abs(value) < 0.01 for value in curve.values) else "SI"


def _corner(text: str, palette: Palette) -> dict[str, object]:
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"color": palette.muted}} | place


def _gap(palette: Palette) -> dict[str, object]:
    return {"color": palette.paper, "width": 1}


def _units(rows: Sequence[MetricRow]) -> list[str]:
    return list(dict.fromkeys(row.estimate.unit for row in rows))


def _legend_once(figure: Figure) -> Figure:
    seen: set[str] = set()

    def once(trace: Scatter) -> None:
        group = str(trace.legendgroup)
        trace.update(showlegend=group not in seen)
        seen.add(group)

    return figure.for_each_trace(once)


def _ruled(figure: Figure) -> Figure:
    return figure.update_xaxes(showgrid=True).update_yaxes(showgrid=False)
