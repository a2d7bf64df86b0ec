"""What every page is made of."""

import json

from plotly.graph_objects import Figure, Scatter

from mechlab.views.page import both_themes, script_json, template_text
from mechlab.views.palette import DARK, LIGHT


def test_data_in_the_page_never_close_their_element():
    hostile = {"a": "</script><!-- <script>", "b": "\u2028"}
    text = script_json(hostile)
    assert "<" not in text and "\u2028" not in text
    assert json.loads(text) == hostile


def test_a_figure_stands_in_the_colours_of_both_themes():
    drawn = json.loads(both_themes(lambda palette: Figure(Scatter(x=[1], marker={"color": palette.ink}))))
    colours = {name: figure["data"][0]["marker"]["color"] for name, figure in drawn.items()}
    assert colours == {"light": LIGHT.ink, "dark": DARK.ink}


def test_templates_come_with_the_package():
    assert "prefers-color-scheme" in template_text("figures.js")
