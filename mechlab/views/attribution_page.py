"""The page of an attribution graph: one HTML file to follow, prune, pin, group and label in, without any network."""

from collections.abc import Mapping
from typing import Any

from mechlab.circuits.attribution.exchange_reading import graph_from_json
from mechlab.views.attribution_data import AttributionPageData
from mechlab.views.page import render_page

SCRIPTS = (
    "graph_model.js",
    "graph_words.js",
    "graph_layout.js",
    "graph_draw.js",
    "graph_pinned.js",
    "graph_features.js",
    "graph_panel.js",
    "graph_page.js",
)


def attribution_page(graph: Mapping[str, Any], feature_details: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """Return the page of a graph; the same graph gives the same bytes.

    Args:
        graph: a JSON object in the exchange format: from `graph_to_json`, circuit-tracer or Neuronpedia.
        feature_details: what is known of features, each a feature file, by `LAYER.NUMBER`.

    Raises:
        UsageError: it is no such graph, its metadata are damaged, or what is told of a feature is no JSON.
    """
    data = AttributionPageData.of(graph_from_json(graph), feature_details or {})
    return render_page("graph.html.jinja", data, SCRIPTS, has_figures=False)
