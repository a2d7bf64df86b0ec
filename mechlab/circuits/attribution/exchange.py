"""The kept part of an attribution graph with everything a viewer tells about it, ready to be handed on.

1. Nodes and effects are those of `as_graph`, and one node more: the model's biases, with an effect on every kept row.
2. Each node has its facts: its number, its label, its activation, and how much influence comes before it.
3. What the graph is of, how it was made, its scores and what pruning lost stand in the metadata.
"""

import importlib.metadata
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.described import (
    BIAS,
    DescribedGraph,
    GraphCard,
    NodeFacts,
    TargetName,
    no_marks,
    node_id,
)
from mechlab.circuits.attribution.naming import as_graph, source_node
from mechlab.circuits.attribution.pruning import Pruned
from mechlab.circuits.graph import Edge, Graph
from mechlab.core.errors import UsageError


def described_graph(
    graph: AttributionGraph, kept: Pruned, targets: Sequence[TargetName], card: GraphCard
) -> DescribedGraph:
    """Return what is kept of a graph with the facts of its nodes.

    Args:
        graph: the whole.
        kept: which part of it.
        targets: names of the targets, in their order.
        card: what the graph is of.

    Raises:
        UsageError: names do not fit the targets, or texts do not fit the tokens.

    Source: Ameisen et al. 2025, "Circuit Tracing" (influence as a cumulative share). Nodes for positions, BOS and
    biases are ours.
    """
    if len(targets) != len(graph.targets):
        raise UsageError("names do not fit the targets", value=len(targets), remedy=f"There are {len(graph.targets)}.")
    if len(card.prompt_tokens) != graph.frozen.n_pos:
        remedy = f"The prompt has {graph.frozen.n_pos} tokens."
        raise UsageError("texts do not fit the tokens", value=len(card.prompt_tokens), remedy=remedy)
    numbers = [graph.frozen.spec.d_vocab + at if one.token is None else one.token for at, one in enumerate(targets)]
    places = graph.targets.positions.tolist()
    names = [f"logit.{number}@{place}" for number, place in zip(numbers, places, strict=True)]
    shown = _with_biases(graph, kept, as_graph(graph, kept, names), names)
    facts = _source_facts(graph, kept, card) | _target_facts(graph, targets, numbers, names)
    return DescribedGraph(shown, facts, _metadata(graph, kept, card, shown, facts), no_marks())


def _rows(graph: AttributionGraph, kept: Pruned, names: Sequence[str]) -> list[tuple[str, float, float]]:
    """Return name, value and bias of every kept row."""
    own = [source_node(graph.sources, column).name for column in graph.visited[kept.rows].tolist()]
    effects = torch.cat([graph.of_targets.effects, graph.of_features.effects[kept.rows]])
    bias = torch.cat([graph.of_targets.bias, graph.of_features.bias[kept.rows]])
    return list(zip([*names, *own], (effects.sum(-1) + bias).tolist(), bias.tolist(), strict=True))


def _with_biases(graph: AttributionGraph, kept: Pruned, shown: Graph, names: Sequence[str]) -> Graph:
    edges = tuple(Edge(BIAS.name, name, bias) for name, _, bias in _rows(graph, kept, names))
    return Graph((*shown.nodes, BIAS), (*shown.edges, *edges))


def _source_facts(graph: AttributionGraph, kept: Pruned, card: GraphCard) -> dict[str, NodeFacts]:
    sources, before = graph.sources, _cumulative(graph)
    # Viewers tell nodes by layer, number and position: the biases are not to be taken for position 0.
    facts = {BIAS.name: NodeFacts(number=-2, label="biases")}
    for column in kept.columns.tolist():
        node = source_node(sources, column)
        label = {"position": f"position {node.position}", "bos": f"MLP {node.layer} at BOS"}.get(node.kind, "")
        influence = float(before[column]) if column < len(before) else None
        one = NodeFacts(label=label, influence=influence)
        if node.kind == "feature":
            number, code = int(sources.feature[column]), float(sources.code[column])
            one = NodeFacts(number, card.labels.get(f"{node.layer}.{number}", ""), influence, code)
        elif node.kind == "token":
            one = NodeFacts(int(graph.frozen.tokens[node.position or 0]))
        facts[node.name] = one
    return facts


def _target_facts(
    graph: AttributionGraph, targets: Sequence[TargetName], numbers: Sequence[int], names: Sequence[str]
) -> dict[str, NodeFacts]:
    foremost = int(graph.weights.argmax())
    return {
        name: NodeFacts(
            number=number,
            label=f'Output "{one.label}" (p={one.probability:.3f})',
            probability=one.probability,
            is_target=at == foremost,
        )
        for at, (one, number, name) in enumerate(zip(targets, numbers, names, strict=True))
    }


def _cumulative(graph: AttributionGraph) -> Float[Tensor, "n_countable"]:
    """Return, for every feature and error, the share of their influence that those with as much or more have."""
    found = graph.influence.columns[: graph.sources.starts["tokens"]]
    order = found.argsort(descending=True, stable=True)
    summed = found[order].cumsum(0) / found.sum().clamp(min=torch.finfo(found.dtype).tiny)
    return torch.empty_like(found).index_copy_(0, order, summed.clamp(max=1))


def _metadata(
    graph: AttributionGraph, kept: Pruned, card: GraphCard, shown: Graph, facts: Mapping[str, NodeFacts]
) -> dict[str, Any]:
    # Viewers drop a node whose influence is above the threshold; the node that crosses the share asked for was kept.
    largest = max(chain((one.influence for one in facts.values() if one.influence is not None), [card.node_threshold]))
    return {
        "slug": card.slug,
        "scan": card.scan,
        "transcoder_list": list(card.transcoder_list),
        "prompt_tokens": list(card.prompt_tokens),
        "prompt": "".join(card.prompt_tokens),
        "node_threshold": largest,
        "schema_version": 1,
        "info": {
            "description": card.description,
            "creator_name": "",
            "creator_url": "",
            "source_urls": [],
            "generator": {"name": "mechlab", "version": importlib.metadata.version("mechlab"), "url": "", "email": ""},
            "create_time_ms": card.create_time_ms,
        },
        "generation_settings": {
            "max_n_logits": card.max_n_logits,
            "desired_logit_prob": card.desired_logit_prob,
            "batch_size": 0,
            "max_feature_nodes": card.max_feature_nodes,
        },
        "pruning_settings": {"node_threshold": card.node_threshold, "edge_threshold": card.edge_threshold},
        "mechlab": _own(graph, kept, shown, facts),
    }


def _own(graph: AttributionGraph, kept: Pruned, shown: Graph, facts: Mapping[str, NodeFacts]) -> dict[str, Any]:
    """Return what only mechlab tells: scores, what pruning lost, and what every kept row and its bias make up."""
    names = [node.name for node in shown.nodes if node.kind == "target"]
    ids = {node.name: node_id(node, facts[node.name]) for node in shown.nodes}
    rows = _rows(graph, kept, names)
    return {
        "scores": {
            "replacement": graph.replacement_score,
            "completeness": graph.completeness_score,
            "bias_share": graph.influence.bias,
            "largest_miss": graph.largest_miss,
        },
        "kept": {
            "features": len(kept.rows),
            "of_features_active": len(graph.sources.code),
            "of_features_traced": len(graph.visited),
            "edges": kept.n_edges,
            "influence": kept.influence,
            "of_targets": kept.of_targets,
        },
        "values": {ids[name]: value for name, value, _ in rows},
        "biases": {ids[name]: bias for name, _, bias in rows},
        "weights": {ids[name]: weight for name, weight in zip(names, graph.weights.tolist(), strict=True)},
        "directions": [ids[name] for name in names if facts[name].number >= graph.frozen.spec.d_vocab],
    }
