"""The JSON in which attribution graphs are handed on: what circuit-tracer's viewer and Neuronpedia read.

Feature numbers are those of Cantor's pairing of layer and number, which `schema_version` 1 says. Errors are called
`err_LAYER_POSITION`, so that no name stands twice; what is mechlab's alone stands under a key that others pass over.
"""

from math import isqrt
from typing import Any

from mechlab.circuits.attribution.described import DescribedGraph, NodeFacts, node_id
from mechlab.circuits.graph import Node

TYPES = {
    "feature": "cross layer transcoder",
    "error": "mlp reconstruction error",
    "token": "embedding",
    "target": "logit",
    "position": "bias",
    "bos": "bias",
    "bias": "bias",
}
EMBEDDING = "E"


def graph_to_json(described: DescribedGraph) -> dict[str, Any]:
    """Return a graph as a JSON object; ids stand for its nodes, weights are the effects."""
    graph, facts = described.graph, described.facts
    ids = {node.name: node_id(node, facts[node.name]) for node in graph.nodes}
    return {
        "metadata": dict(described.metadata),
        "qParams": dict(described.marks),
        "nodes": [_node(node, facts[node.name], ids[node.name]) for node in graph.nodes],
        "links": [
            {"source": ids[edge.source], "target": ids[edge.target], "weight": edge.effect} for edge in graph.edges
        ],
    }


def paired(layer: int, number: int) -> int:
    """Return the one number that stands for a layer and a number in it (Cantor's pairing)."""
    return (layer + number) * (layer + number + 1) // 2 + number


def unpaired(both: int) -> tuple[int, int]:
    """Return the layer and the number that one number stands for."""
    diagonal = (isqrt(8 * both + 1) - 1) // 2
    number = both - diagonal * (diagonal + 1) // 2
    return diagonal - number, number


def _node(node: Node, facts: NodeFacts, own_id: str) -> dict[str, Any]:
    return {
        "node_id": own_id,
        "feature": _number(node, facts),
        "layer": _layer(node),
        "ctx_idx": node.position or 0,
        "feature_type": TYPES.get(node.kind, node.kind),
        "token_prob": facts.probability,
        "is_target_logit": facts.is_target,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": _page_id(node, facts, own_id),
        "clerp": facts.label,
        "influence": facts.influence,
        "activation": facts.activation,
        **facts.extra,
    }


def _number(node: Node, facts: NodeFacts) -> int:
    if node.kind == "feature" and node.layer is not None:
        return paired(node.layer, facts.number)
    return (node.position or 0) if node.kind == "token" else facts.number


def _layer(node: Node) -> str:
    if node.layer is None:
        return EMBEDDING
    return str(node.layer + 1) if node.kind == "target" else str(node.layer)


def _page_id(node: Node, facts: NodeFacts, own_id: str) -> str:
    match node.kind:
        case "feature":
            return f"{node.layer}_{facts.number}-0"
        case "error":
            return f"{node.layer}_{node.position}-0"
        case "token":
            return f"E_{facts.number}-{node.position}"
        case "target":
            return f"L_{facts.number}-{node.position}"
    return own_id
