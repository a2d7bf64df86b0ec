"""A site's relative norms are drawn as shares of features, with the untrained dictionary's as an outline."""

from mechlab.views.norm_figures import norm_histogram
from mechlab.views.palette import DARK, THEMES
from mechlab.views.report_data import SiteNorms

NORMS = SiteNorms(site="resid_post.1<b>", counts=(3, 0, 1, 0), of_untrained=(0, 10, 10, 0))


def test_bars_and_outline_are_shares_of_their_own_features():
    bars, outline = norm_histogram(NORMS).data
    assert (tuple(bars.x), tuple(bars.y)) == ((0.125, 0.375, 0.625, 0.875), (0.75, 0.0, 0.25, 0.0))
    assert tuple(outline.y) == (0.0, 0.5, 0.5, 0.0)
    assert bars.customdata[0] == "3 features have 0.00 to 0.25 of their norm here"


def test_a_site_nobody_writes_to_is_drawn_empty():
    bars, _ = norm_histogram(SiteNorms(site="a", counts=(0, 0), of_untrained=(1, 1))).data
    assert tuple(bars.y) == (0, 0)


def test_both_themes_differ_in_colour_and_names_are_escaped():
    light, dark = (norm_histogram(NORMS, palette) for palette in THEMES)
    assert light.data[0].marker.color != dark.data[0].marker.color == DARK.blue
    assert "resid_post.1&lt;b&gt;" in light.layout.title.text
