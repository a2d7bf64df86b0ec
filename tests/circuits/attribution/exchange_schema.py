"""The exchange format's facts, checked without mechlab: what viewers of attribution graphs need to find in a JSON."""

import json
import math
from typing import Any

METADATA = {"slug": str, "scan": str, "prompt_tokens": list, "prompt": str}
NODE = {
    "node_id": str,
    "feature": int,
    "layer": str,
    "ctx_idx": int,
    "feature_type": str,
    "jsNodeId": str,
    "clerp": str,
}
TYPES = {"cross layer transcoder", "mlp reconstruction error", "embedding", "logit", "bias"}
MARKS = {"pinnedIds": list, "supernodes": list, "linkType": str, "clickedId": str, "sg_pos": str}


def faults(graph: dict[str, Any]) -> list[str]:
    """Return everything in a graph that would trip a viewer."""
    text = json.dumps(graph, allow_nan=False)
    assert json.loads(text) == graph
    found = []
    for owner, wanted in ((graph["metadata"], METADATA), (graph["qParams"], MARKS)):
        found += [f"{key} is no {kind.__name__}" for key, kind in wanted.items() if type(owner.get(key)) is not kind]
    if graph["metadata"].get("schema_version") != 1 or not 0 < graph["metadata"]["node_threshold"] <= 1:
        found.append("metadata: version or threshold")
    n_tokens = len(graph["metadata"]["prompt_tokens"])
    for node in graph["nodes"]:
        found += [f"{node['node_id']}: {fault}" for fault in _node_faults(node, n_tokens)]
    ids = [node["node_id"] for node in graph["nodes"]]
    pages = [node["jsNodeId"] for node in graph["nodes"] if node["feature_type"] != "cross layer transcoder"]
    if len(set(ids)) != len(ids):
        found.append("two nodes have one id")
    places = [
        (node["layer"], node["feature"], node["ctx_idx"], "error" in node["feature_type"]) for node in graph["nodes"]
    ]
    if len(set(places)) != len(places):
        found.append("two nodes have one layer, number and position")
    if len(set(pages)) != len(pages):
        found.append("two nodes have one page id")
    pairs = [(link["source"], link["target"]) for link in graph["links"]]
    if not {end for pair in pairs for end in pair} <= set(ids) or len(set(pairs)) != len(pairs):
        found.append("a link ends nowhere or stands twice")
    if not all(
        set(link) == {"source", "target", "weight"} and math.isfinite(link["weight"]) for link in graph["links"]
    ):
        found.append("a link has other keys or no finite weight")
    highest = max((int(node["layer"]) for node in graph["nodes"] if node["layer"].isdigit()), default=0)
    if any(node["feature_type"] == "logit" and int(node["layer"]) != highest for node in graph["nodes"]):
        found.append("a logit is not on top")
    return found


def _node_faults(node: dict[str, Any], n_tokens: int) -> list[str]:
    found = [f"{key} is no {kind.__name__}" for key, kind in NODE.items() if type(node.get(key)) is not kind]
    if node["feature_type"] not in TYPES:
        found.append(f"type {node['feature_type']}")
    if node["layer"] != "E" and not node["layer"].isdigit():
        found.append(f"layer {node['layer']}")
    if not 0 <= node["ctx_idx"] < n_tokens:
        found.append(f"position {node['ctx_idx']}")
    if node["feature_type"] == "logit" and "(p=" not in node["clerp"]:
        found.append("a logit's text without a probability")
    numbers = [node[key] for key in ("influence", "activation") if node[key] is not None]
    if not all(type(number) is float for number in numbers):
        found.append(f"{numbers} are no numbers")
    if node["influence"] is not None and not 0 <= node["influence"] <= 1:
        found.append("influence is no share")
    return found
