"""The kept part of an attribution graph as nodes with names, and edges with effects.

A name tells what a node is and where: `feature.LAYER.NUMBER@POSITION`, `error.LAYER@POSITION`, `token@POSITION`,
`position@POSITION`, `bos.LAYER`, and `target.NUMBER@POSITION` unless targets have names of their own.
"""

from collections.abc import Sequence

import torch

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.pruning import Pruned
from mechlab.circuits.attribution.sources import Sources
from mechlab.circuits.graph import Edge, Graph, Node
from mechlab.core.errors import UsageError


def source_node(sources: Sources, column: int) -> Node:
    """Return the node of a source by its column."""
    starts, n_pos = sources.starts, len(sources.tokens)
    if column < starts["errors"]:
        layer, position = int(sources.layer[column]), int(sources.position[column])
        return Node(f"feature.{layer}.{int(sources.feature[column])}@{position}", "feature", layer, position)
    if column < starts["tokens"]:
        layer, position = divmod(column - starts["errors"], n_pos)
        return Node(f"error.{layer}@{position}", "error", layer, position)
    if column < starts["positions"]:
        return Node(f"token@{column - starts['tokens']}", "token", None, column - starts["tokens"])
    if column < starts["bos"]:
        return Node(f"position@{column - starts['positions']}", "position", None, column - starts["positions"])
    return Node(f"bos.{column - starts['bos']}", "bos", column - starts["bos"], 0)


def target_nodes(graph: AttributionGraph, names: Sequence[str] = ()) -> list[Node]:
    """Return the nodes of the targets; without names they are numbered.

    Raises:
        UsageError: there are more or fewer names than targets.
    """
    if names and len(names) != len(graph.targets):
        raise UsageError("names do not fit the targets", value=len(names), remedy=f"There are {len(graph.targets)}.")
    n_layers = graph.frozen.spec.n_layers
    positions = graph.targets.positions.tolist()
    own = names or [f"target.{number}@{position}" for number, position in enumerate(positions)]
    return [Node(name, "target", n_layers, place) for name, place in zip(own, positions, strict=True)]


def as_graph(graph: AttributionGraph, kept: Pruned, names: Sequence[str] = ()) -> Graph:
    """Return the nodes that are kept and the effects between them, in the unit of what they act on.

    Args:
        graph: the whole.
        kept: which part of it.
        names: of the targets, in their order.

    Raises:
        UsageError: there are more or fewer names than targets, or one stands twice.
    """
    targets = target_nodes(graph, names)
    sources = [source_node(graph.sources, column) for column in kept.columns.tolist()]
    traced = [source_node(graph.sources, column) for column in graph.visited[kept.rows].tolist()]
    effects = torch.cat([graph.of_targets.effects, graph.of_features.effects[kept.rows]])[:, kept.columns]
    ends, edges = [*targets, *traced], []
    for end, source in kept.edges.nonzero().tolist():
        edges.append(Edge(sources[source].name, ends[end].name, float(effects[end, source])))
    return Graph((*sources, *targets), tuple(edges))
