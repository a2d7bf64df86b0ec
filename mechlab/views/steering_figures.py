"""The trade of steering in plotly: how much of a concept texts have against what their tokens cost, way by way."""

from collections.abc import Sequence
from html import escape

from plotly.graph_objects import Figure, Scatter

from mechlab.views.figures import layout
from mechlab.views.numbers import interval, measured, number
from mechlab.views.palette import LIGHT, Palette
from mechlab.views.steering_data import DoseRow, WayRow

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "hexagon")
HEIGHT_PX = 420
MOST_PERCENT = 100


def trade_plot(ways: Sequence[WayRow], most_increase: float, palette: Palette = LIGHT) -> Figure:
    """Return every way's strengths as a line from the model as it is, the one taken large, and what is allowed."""
    figure = Figure(layout=layout(palette, height=HEIGHT_PX))
    figure.add_vline(x=100 * most_increase, line={"color": palette.muted, "width": 1, "dash": "dot"})
    for index, way in enumerate(ways):
        points = [one for one in way.tried if one.nll_increase is not None]
        colour = (palette.blue, palette.orange, palette.muted)[index % 3]
        symbol = SYMBOLS[index % len(SYMBOLS)]
        figure.add_trace(_line(way, points, colour, symbol))
        figure.add_trace(_taken(way, colour, symbol))
    costs = [100 * one.nll_increase.value for way in ways for one in way.tried if one.nll_increase is not None]
    right = min(max([*costs, 100 * most_increase]), MOST_PERCENT)
    figure.update_xaxes(title="a token costs more, %", range=[min([0.0, *costs]) - 2, right + 3])
    figure.update_yaxes(title="concept", range=[-0.03, 1.05])
    return figure.update_layout(showlegend=True, hovermode="closest", margin={"t": 64})


def _line(way: WayRow, points: Sequence[DoseRow], colour: str, symbol: str) -> Scatter:
    sizes = [8 if one.strength in way.front else 5 for one in points]
    line = Scatter(
        x=[100 * one.nll_increase.value for one in points if one.nll_increase is not None],
        y=[one.concept.value for one in points],
        mode="lines+markers",
        name=escape(way.name),
        legendgroup=escape(way.name),
        line={"color": colour, "width": 1.2},
        marker={"color": colour, "symbol": f"{symbol}-open", "size": sizes},
    )
    told = [_told(way, one) for one in points]
    return line.update(customdata=told, hovertemplate="%{customdata}<extra></extra>")


def _taken(way: WayRow, colour: str, symbol: str) -> Scatter:
    """Return what the strength taken did on fresh texts, with its interval."""
    fresh = way.fresh
    costs = fresh.nll_increase
    bars = {"type": "data", "symmetric": False, "thickness": 1.4, "width": 5}
    bars |= {
        "array": [fresh.concept.high - fresh.concept.value],
        "arrayminus": [fresh.concept.value - fresh.concept.low],
    }
    mark = Scatter(
        x=[100 * costs.value if costs else 0.0],
        y=[fresh.concept.value],
        mode="markers",
        name=escape(f"{way.name}, fresh texts"),
        legendgroup=escape(way.name),
        showlegend=False,
        error_y=bars,
        marker={"color": colour, "symbol": symbol, "size": 12},
    )
    told = f"{_told(way, fresh)}<br>on fresh texts"
    return mark.update(customdata=[told], hovertemplate="%{customdata}<extra></extra>")


def _told(way: WayRow, dose: DoseRow) -> str:
    costs = dose.nll_increase
    said = "" if costs is None else f"<br>a token costs {number(100 * costs.value, 3)} % more"
    own = f"strength {number(dose.strength, 3)}" if dose.strength else "the model as it is"
    return f"<b>{escape(way.name)}</b>, {own}<br>concept {measured(dose.concept)} {interval(dose.concept)}{said}"
