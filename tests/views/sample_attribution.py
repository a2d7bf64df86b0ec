"""A graph of a tiny random model as its page is given it, and invented facts of two of its features."""

from functools import cache
from typing import Any

from circuits.attribution.described_pieces import card, traced

from mechlab.circuits.attribution.described import TargetName
from mechlab.circuits.attribution.exchange import described_graph
from mechlab.circuits.attribution.exchange_json import graph_to_json
from mechlab.circuits.attribution.pruning import pruned

TARGETS = (TargetName(" snow", 3, 0.25), TargetName("snow less pumpkin"))


@cache
def sample_graph() -> dict[str, Any]:
    """Return the JSON of a graph with every kind of node."""
    graph = traced(n_pos=7)
    return graph_to_json(described_graph(graph, pruned(graph, nodes=0.9), TARGETS, card(7, node_threshold=0.9)))


def features_of(graph: dict[str, Any]) -> list[str]:
    """Return the features of a graph as `LAYER.NUMBER`."""
    coded = [node for node in graph["nodes"] if node["feature_type"] == "cross layer transcoder"]
    return list(dict.fromkeys(".".join(node["node_id"].split("_")[:2]) for node in coded))


def sample_details() -> dict[str, dict[str, Any]]:
    """Return what is known of the first two features, and of one the graph has not."""
    first, second = features_of(sample_graph())[:2]
    example = {
        "tokens": ["It", " was", " winter", ".\n"],
        "tokens_acts_list": [0.0, 0.5, 2.0, 0.25],
        "train_token_ind": 2,
        "is_repeated_datapoint": False,
    }
    quantiles = [
        {"quantile_name": "Top", "examples": [example, example]},
        {"quantile_name": "Middle", "examples": [example | {"is_repeated_datapoint": True}]},
    ]
    whole = {
        "transcoder_id": "mlp.0",
        "index": 3,
        "examples_quantiles": quantiles,
        "top_logits": [" snow", " frost"],
        "bottom_logits": [[" pumpkin", -0.75], [" hay", -0.5]],
        "act_min": 0.0,
        "act_max": 2.0,
        "quantile_values": [0.0, 2.0],
        "histogram": [5, 3, 0, 1],
        "activation_frequency": 0.125,
    }
    return {first: whole, second: {"examples_quantiles": [], "top_logits": []}, "9.9": whole}
