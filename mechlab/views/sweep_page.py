"""The page of a sweep: one HTML file with everything inside; Pareto plots of each site and a table of all members."""

from collections.abc import Iterator

from markupsafe import Markup

from mechlab.views.page import both_themes, render_page
from mechlab.views.sweep_data import GroupRow, SweepData
from mechlab.views.sweep_figures import pareto_plot


def render_sweep(data: SweepData) -> str:
    """Return the page; the same data gives the same bytes."""
    at_sites = {site: [group for group in data.groups if group.site == site] for site in data.sites}
    return render_page("sweep.html.jinja", data, [], at_sites=at_sites, figures=dict(_figures(data, at_sites)))


def _figures(data: SweepData, at_sites: dict[str, list[GroupRow]]) -> Iterator[tuple[str, Markup]]:
    for place, groups in enumerate(at_sites.values()):
        for measure in data.measures:

            def draw(palette, groups=groups, measure=measure):
                return pareto_plot(groups, data.cost, measure, palette)

            yield f"{measure.name}-{place}", both_themes(draw)
