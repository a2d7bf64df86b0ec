"""The page of steered texts: one HTML file with texts before and after, the trade of every way, and what each costs."""

from mechlab.views.page import both_themes, render_page
from mechlab.views.shared_start import shared_start
from mechlab.views.steering_data import SteeringPageData
from mechlab.views.steering_figures import trade_plot


def render_steering(data: SteeringPageData) -> str:
    """Return the page; the same data gives the same bytes."""
    samples = [(row, shared_start(row.before, row.after)) for row in data.samples]
    figures = {}
    if data.ways:
        figures["trade"] = both_themes(lambda palette: trade_plot(data.ways, data.most_increase, palette))
    parts = {"samples": samples, "figures": figures}
    return render_page("steering.html.jinja", data, [], has_figures=bool(figures), **parts)
