"""The figure of a crosscoder: how much of its features' directions lies at one site, beside an untrained one's."""

from html import escape

from plotly.graph_objects import Bar, Figure, Scatter

from mechlab.views.figures import layout
from mechlab.views.numbers import number
from mechlab.views.palette import LIGHT, Palette
from mechlab.views.report_data import SiteNorms


def norm_histogram(norms: SiteNorms, palette: Palette = LIGHT) -> Figure:
    """Return the share of features per bin of relative norm; the untrained dictionary's is an outline."""
    n_bins = len(norms.counts)
    middles = [(place + 0.5) / n_bins for place in range(n_bins)]
    own, control = _shares(norms.counts), _shares(norms.of_untrained)
    told = [
        f"{number(count)} features have {place / n_bins:.2f} to {(place + 1) / n_bins:.2f} of their norm here"
        for place, count in enumerate(norms.counts)
    ]
    bars = Bar(x=middles, y=own, width=1 / n_bins, name="trained", marker={"color": palette.blue})
    bars.update(marker_line={"color": palette.paper, "width": 1}, customdata=told)
    bars.update(hovertemplate="%{customdata}<extra></extra>")
    outline = Scatter(x=middles, y=control, mode="lines", name="untrained", line_shape="hvh")
    outline.update(line={"color": palette.orange, "width": 1.6}, hovertemplate="untrained %{y:.1%}<extra></extra>")
    figure = Figure([bars, outline], layout(palette, height=210, title=f"<b>{escape(norms.site)}</b>"))
    figure.update_xaxes(title="share of the feature's norm", range=[0, 1], nticks=6)
    return figure.update_yaxes(title="features", tickformat=".0%", range=[0, 1.02], dtick=0.5)


def _shares(counts: tuple[int, ...]) -> list[float]:
    total = max(sum(counts), 1)
    return [count / total for count in counts]
