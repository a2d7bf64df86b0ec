"""The page of channels between heads: one HTML file with a map of pairs for each mode, asking no network."""

from collections.abc import Iterator

from markupsafe import Markup

from mechlab.views.channel_data import ChannelPageData
from mechlab.views.channel_figures import noise_histogram, pair_map
from mechlab.views.page import both_themes, render_page


def render_channels(data: ChannelPageData) -> str:
    """Return the page; the same data gives the same bytes."""
    return render_page("channels.html.jinja", data, ["channels.js"], figures=dict(_figures(data)))


def _figures(data: ChannelPageData) -> Iterator[tuple[str, Markup]]:
    for found in data.modes:

        def draw_map(palette, found=found):
            return pair_map(data.senders, data.receivers, found, data.rate, palette)

        def draw_noise(palette, found=found):
            return noise_histogram(found.noise, found.floor, data.rate, palette)

        yield f"map-{found.mode}", both_themes(draw_map)
        yield f"noise-{found.mode}", both_themes(draw_noise)
