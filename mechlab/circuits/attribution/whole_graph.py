"""A whole attribution graph as two tables, and one node's share of it read back: nothing is pruned, nothing rounded.

1. Nodes: every source, then every target; what it is, where, what it was in the pass, what biases add, how much of the
   targets comes through it, and whether it was traced and kept.
2. Effects: every one that is not zero, from a node to a node, by their places in the first table.
3. Of a target, or of a feature that was traced, effects and bias sum to what it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.naming import source_node, target_nodes
from mechlab.circuits.attribution.pruning import Pruned
from mechlab.circuits.graph import Edge, Graph, Node
from mechlab.core.errors import ArtifactError

NOWHERE = -1
TEXTS = ("name", "kind")
NUMBERS = ("layer", "position", "value", "bias", "influence", "is_traced", "is_kept")
ENDS = ("source", "target", "effect")
Columns = dict[str, Tensor | list[str]]


@dataclass(frozen=True, eq=False)
class WholeGraph:
    """A graph in columns.

    Attributes:
        texts: of the nodes: `name` and `kind`.
        numbers: of the nodes, by the names in `NUMBERS`: -1 for no layer or position; `value` is a feature's code, or
            what a target was, and NaN for other sources.
        edges: `source`, `target` (places among the nodes) and `effect`, by target.
    """

    texts: dict[str, list[str]]
    numbers: dict[str, Tensor]
    edges: dict[str, Tensor]

    @staticmethod
    def of(graph: AttributionGraph, kept: Pruned, names: Sequence[str] = ()) -> "WholeGraph":
        """Return all of a graph; `names` are of its targets.

        Raises:
            UsageError: names do not fit the targets.
        """
        sources, targets = graph.sources, graph.targets
        nodes = [*(source_node(sources, column) for column in range(sources.n_columns)), *target_nodes(graph, names)]
        n_columns, n_targets = sources.n_columns, len(targets)
        value = targets.values.new_full((n_columns + n_targets,), torch.nan)
        value[: len(sources.code)], value[n_columns:] = sources.code, targets.values
        bias = torch.full_like(value, torch.nan)
        bias[graph.visited], bias[n_columns:] = graph.of_features.bias, graph.of_targets.bias
        is_traced, is_kept = (torch.zeros(len(value), dtype=torch.int8) for _ in range(2))
        is_traced[graph.visited.cpu()], is_traced[n_columns:] = 1, 1
        is_kept[kept.columns.cpu()], is_kept[n_columns:] = 1, 1
        numbers = {
            "layer": torch.tensor([NOWHERE if node.layer is None else node.layer for node in nodes]),
            "position": torch.tensor([NOWHERE if node.position is None else node.position for node in nodes]),
            "value": value.cpu(),
            "bias": bias.cpu(),
            "influence": torch.cat([graph.influence.columns, graph.weights]).cpu(),
            "is_traced": is_traced,
            "is_kept": is_kept,
        }
        texts = {"name": [node.name for node in nodes], "kind": [node.kind for node in nodes]}
        return WholeGraph(texts, numbers, _edges(graph, n_columns))

    @staticmethod
    def restored(nodes: Mapping[str, Any], edges: Mapping[str, Any]) -> "WholeGraph":
        """Return the graph from its two tables.

        Raises:
            ArtifactError: a column is missing.
        """
        if lost := [name for name in (*TEXTS, *NUMBERS) if name not in nodes]:
            raise ArtifactError("table holds no nodes of a graph", value=", ".join(lost), remedy="These are missing.")
        if lost := [name for name in ENDS if name not in edges]:
            raise ArtifactError("table holds no effects", value=", ".join(lost), remedy="These columns are missing.")
        texts, numbers = {name: list(nodes[name]) for name in TEXTS}, {name: nodes[name] for name in NUMBERS}
        return WholeGraph(texts, numbers, {name: edges[name] for name in ENDS})

    def node_columns(self) -> Columns:
        """Return the table of nodes."""
        return {**self.texts, **self.numbers}

    def edge_columns(self) -> Columns:
        """Return the table of effects."""
        return dict(self.edges)

    def places(self, kind: str) -> list[int]:
        """Return the places of all nodes of a kind."""
        return [place for place, one in enumerate(self.texts["kind"]) if one == kind]

    def into(self, place: int, n: int | None = None) -> list[Edge]:
        """Return the effects on a node, the largest first, whatever their sign; at most n of them."""
        own = (self.edges["target"] == place).nonzero().squeeze(1)
        own = own[self.edges["effect"][own].abs().argsort(descending=True, stable=True)][:n]
        return [self._edge(row) for row in own.tolist()]

    def kept(self) -> Graph:
        """Return the nodes that were kept, and all effects between them that are not zero."""
        is_kept = self.numbers["is_kept"].bool()
        rows = (is_kept[self.edges["source"].long()] & is_kept[self.edges["target"].long()]).nonzero().squeeze(1)
        nodes = tuple(self._node(place) for place in is_kept.nonzero().squeeze(1).tolist())
        return Graph(nodes, tuple(self._edge(row) for row in rows.tolist()))

    def _node(self, place: int) -> Node:
        layer, position = (int(self.numbers[name][place]) for name in ("layer", "position"))
        somewhere = [None if one == NOWHERE else one for one in (layer, position)]
        return Node(self.texts["name"][place], self.texts["kind"][place], *somewhere)

    def _edge(self, row: int) -> Edge:
        source, target = (self.texts["name"][int(self.edges[end][row])] for end in ("source", "target"))
        return Edge(source, target, float(self.edges["effect"][row]))


def _edges(graph: AttributionGraph, n_columns: int) -> dict[str, Tensor]:
    """Return all effects that are not zero: of features in the order of their columns, then of targets."""
    ends = torch.cat([graph.visited, n_columns + torch.arange(len(graph.targets), device=graph.visited.device)])
    found = []
    for rows, own in ((graph.of_features, ends[: len(graph.visited)]), (graph.of_targets, ends[len(graph.visited) :])):
        row, column = rows.effects.nonzero(as_tuple=True)
        found.append((column, own[row], rows.effects[row, column]))
    source, target, effect = (torch.cat(part).cpu() for part in zip(*found, strict=True))
    return {"source": source.int(), "target": target.int(), "effect": effect}
