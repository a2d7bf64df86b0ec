"""The report: one HTML file with everything inside; it opens from disk, asks no network, and is read by keyboard."""

from collections.abc import Callable

from markupsafe import Markup
from plotly.graph_objects import Figure

from mechlab.views import figures
from mechlab.views.cards import card_parts
from mechlab.views.norm_figures import norm_histogram
from mechlab.views.page import both_themes, render_page
from mechlab.views.palette import Palette
from mechlab.views.report_data import ReportData
from mechlab.views.shared_start import shared_start


def render_report(data: ReportData) -> str:
    """Return the report as one HTML page; the same data gives the same bytes."""
    return render_page(
        "report.html.jinja",
        data,
        ["browse.js"],
        headline=[row for name in data.headline for row in data.metrics if row.name == name],
        cards=[card_parts(card) for card in data.features],
        linked={card.id for card in data.features},
        steering=[(row, shared_start(row.before, row.after)) for row in data.steering],
        figures=_figures(data),
    )


def _figures(data: ReportData) -> dict[str, Markup]:
    drawn: dict[str, Callable[[Palette], Figure]] = {
        f"curve-{index}": lambda palette, curve=curve: figures.training_curve(curve, palette)
        for index, curve in enumerate(data.curves)
    }
    compared = [row for row in data.metrics if row.baselines]
    if compared:
        drawn["metrics"] = lambda palette: figures.metric_intervals(compared, palette)
    if data.density:
        density = data.density
        drawn["density"] = lambda palette: figures.density_histogram(density, data.n_dead, palette)
    for index, norms in enumerate(data.site_norms):
        drawn[f"norms-{index}"] = lambda palette, norms=norms: norm_histogram(norms, palette)
    if data.ground_truth:
        drawn["causes"] = lambda palette: figures.ground_truth(data.ground_truth, palette)
    return {name: both_themes(draw) for name, draw in drawn.items()}
