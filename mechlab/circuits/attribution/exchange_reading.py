"""Graphs read from the exchange format: mechlab's own, circuit-tracer's and Neuronpedia's.

1. What is no such graph is refused with the first thing that is wrong.
2. Nodes get the names of `naming`; what no name is known for keeps its id.
3. circuit-tracer calls the error of layer 5 and feature 5 of layer 0 alike: types tell their nodes apart. Of two links
   from that name to one target the first is the feature's; an error reaches later layers only; else it is the feature.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mechlab.circuits.attribution.described import BIAS, DescribedGraph, NodeFacts, no_marks, node_id
from mechlab.circuits.attribution.exchange_json import EMBEDDING, TYPES, unpaired
from mechlab.circuits.graph import Edge, Graph, Node
from mechlab.core.errors import UsageError

METADATA = {"slug": str, "scan": str, "prompt": str, "prompt_tokens": list}
NODE = {
    "node_id": str,
    "feature": int,
    "layer": str,
    "ctx_idx": int,
    "feature_type": str,
    "jsNodeId": str,
    "clerp": str,
}
NUMBERS = ("influence", "activation", "token_prob")
READ = {*NODE, *NUMBERS, "is_target_logit", "run_idx", "reverse_ctx_idx"}
KINDS = {text: kind for kind, text in TYPES.items() if text != "bias"}
BIASES = {"bias_position": "position", "bias_bos": "bos", "bias_all": "bias"}
Placed = dict[str, list[Node]]


def graph_from_json(value: Any) -> DescribedGraph:
    """Return the graph that a JSON object holds.

    Raises:
        UsageError: it holds none; the line says what is missing or wrong first.
    """
    if not isinstance(value, Mapping):
        raise _refused("it is no JSON object")
    metadata = _section(value, "metadata", Mapping, "")
    for key, kind in METADATA.items():
        _section(metadata, key, kind, "metadata")
    if not all(isinstance(text, str) for text in metadata["prompt_tokens"]):
        raise _refused("metadata.prompt_tokens holds what is no text")
    nodes, facts, placed = _nodes(_section(value, "nodes", list, ""), metadata)
    edges, n_unclear = _edges(_section(value, "links", list, ""), placed)
    graph = Graph(nodes, edges)
    return DescribedGraph(graph, facts, metadata, _marks(value.get("qParams"), placed, facts), n_unclear)


def _refused(what: str) -> UsageError:
    remedy = "Give a file that mechlab, circuit-tracer or Neuronpedia wrote."
    return UsageError("JSON is no attribution graph", value=what, remedy=remedy)


def _section(value: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    found, name = value.get(key), f"{where}.{key}".lstrip(".")
    if key not in value:
        raise _refused(f"there is no {name}")
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise _refused(f"{name} is {type(found).__name__}, not {kind.__name__}")
    return found


def _finite(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused(f"{where} is no finite number")
    return float(value)


def _nodes(given: Sequence[Any], metadata: Mapping[str, Any]) -> tuple[tuple[Node, ...], dict[str, NodeFacts], Placed]:
    """Return the nodes, their facts by name, and which nodes each id of the file stands for."""
    nodes, facts, placed = [], {}, Placed()
    for at, one in enumerate(given):
        where = f"nodes[{at}]"
        if not isinstance(one, Mapping):
            raise _refused(f"{where} is no JSON object")
        for key, kind in NODE.items():
            _section(one, key, kind, where)
        node, own = _node(one, metadata, where)
        if node.name in facts:
            raise _refused(f"two nodes are {node.name}, {one['node_id']} in the file")
        nodes.append(node)
        facts[node.name] = own
        placed.setdefault(one["node_id"], []).append(node)
    for own_id, there in placed.items():
        if len(there) > 1 and sorted(node.kind for node in there) != ["error", "feature"]:
            raise _refused(f"{len(there)} nodes are called {own_id}")
    return tuple(nodes), facts, placed


def _node(one: Mapping[str, Any], metadata: Mapping[str, Any], where: str) -> tuple[Node, NodeFacts]:
    kind, layer, position = _kind(one), _layer(one["layer"], where), one["ctx_idx"]
    if not 0 <= position < max(len(metadata["prompt_tokens"]), 1):
        raise _refused(f"{where}.ctx_idx is {position}, the prompt has {len(metadata['prompt_tokens'])} tokens")
    if layer is None and kind in ("feature", "error", "target", "bos"):
        raise _refused(f"{where} is of type {one['feature_type']} and has no layer")
    influence, activation, probability = (
        None if one.get(key) is None else _finite(one[key], f"{where}.{key}") for key in NUMBERS
    )
    number = _number(one, kind, layer, bool(metadata.get("schema_version")))
    node = _named(kind, number, layer, position, one["node_id"])
    extra = {key: value for key, value in one.items() if key not in READ}
    if kind not in TYPES:
        extra |= {"jsNodeId": one["jsNodeId"]}
    own = NodeFacts(
        number=number,
        label=one["clerp"],
        influence=influence,
        activation=activation,
        probability=probability or 0.0,
        is_target=bool(one.get("is_target_logit")),
        extra=extra,
    )
    return node, own


def _kind(one: Mapping[str, Any]) -> str:
    start = re.match(r"bias_[a-z]+", one["node_id"])
    if one["feature_type"] == "bias" and start and start[0] in BIASES:
        return BIASES[start[0]]
    return KINDS.get(one["feature_type"], one["feature_type"])


def _layer(text: str, where: str) -> int | None:
    if text == EMBEDDING:
        return None
    if not text.isdecimal():
        raise _refused(f"{where}.layer is {text[:20]!r}, neither E nor a number")
    return int(text)


def _number(one: Mapping[str, Any], kind: str, layer: int | None, is_paired: bool) -> int:
    """Return a feature's number in its layer, or a token's in the vocabulary."""
    own = re.fullmatch(r"(\w+)_(\d+)_(\d+)", one["node_id"])
    if kind == "token":
        return int(own[2]) if own else one["feature"]
    if kind != "feature":
        return one["feature"]
    if is_paired and one["feature"] >= 0 and unpaired(one["feature"])[0] == layer:
        return unpaired(one["feature"])[1]
    return int(own[2]) if own and own[1] == one["layer"] else one["feature"]


def _named(kind: str, number: int, layer: int | None, position: int, own_id: str) -> Node:
    match kind:
        case "feature":
            return Node(f"feature.{layer}.{number}@{position}", kind, layer, position)
        case "error":
            return Node(f"error.{layer}@{position}", kind, layer, position)
        case "token" | "position":
            return Node(f"{kind}@{position}", kind, None, position)
        case "bos":
            return Node(f"bos.{layer}", kind, layer, 0)
        case "bias" if own_id == "bias_all":
            return BIAS
        case "target":
            return Node(f"logit.{number}@{position}", kind, (layer or 0) - 1, position)
    return Node(own_id, kind, layer, position)


def _edges(given: Iterable[Any], placed: Placed) -> tuple[tuple[Edge, ...], int]:
    found: dict[tuple[str, str], Edge] = {}
    unclear: set[tuple[str, str]] = set()
    for at, one in enumerate(given):
        where = f"links[{at}]"
        if not isinstance(one, Mapping) or not {"source", "target", "weight"} <= set(one):
            raise _refused(f"{where} lacks source, target or weight")
        sources, targets = (placed.get(str(one[end]), []) for end in ("source", "target"))
        if not sources or not targets:
            raise _refused(f"{where} leads from {one['source']} to {one['target']}, and one of them is no node")
        target = next((node for node in targets if node.kind != "error"), targets[0])
        source = _source(sources, target, found)
        if source.kind == "error":
            unclear -= {(node.name, target.name) for node in sources}
        elif _may_be_either(sources, target):
            unclear.add((source.name, target.name))
        weight = _finite(one["weight"], f"{where}.weight")
        if (source.name, target.name) in found:
            raise _refused(f"{where} stands twice")
        found[source.name, target.name] = Edge(source.name, target.name, weight)
    return tuple(found.values()), len(unclear)


def _may_be_either(sources: Sequence[Node], target: Node) -> bool:
    error = next((node for node in sources if node.kind == "error"), None)
    return len(sources) > 1 and error is not None and (error.layer or 0) < (target.layer or 0)


def _source(sources: Sequence[Node], target: Node, found: Mapping[tuple[str, str], Edge]) -> Node:
    if len(sources) == 1:
        return sources[0]
    feature = next(node for node in sources if node.kind == "feature")
    is_taken = (feature.name, target.name) in found
    return next(node for node in sources if (node.kind == "error") == (is_taken and _may_be_either(sources, target)))


def _marks(given: Any, placed: Placed, facts: Mapping[str, NodeFacts]) -> dict[str, Any]:
    """Return the marks with the ids that the nodes have in our files; those of nodes that are not there fall away."""
    marks = no_marks() | (dict(given) if isinstance(given, Mapping) else {})
    ids = {old: node_id(_foremost(there), facts[_foremost(there).name]) for old, there in placed.items()}
    groups = [group for group in _listed(marks["supernodes"]) if isinstance(group, list) and group]
    marks["pinnedIds"] = _known(marks["pinnedIds"], ids)
    marks["supernodes"] = [[str(group[0]), *_known(group[1:], ids)] for group in groups]
    marks["clickedId"] = ids.get(str(marks["clickedId"]), "")
    return marks


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _known(given: Any, ids: Mapping[str, str]) -> list[str]:
    return [ids[one] for one in _listed(given) if isinstance(one, str) and one in ids]


def _foremost(there: Sequence[Node]) -> Node:
    return next((node for node in there if node.kind == "feature"), there[0])
