"""A graph of causes: what every circuit method returns, whatever it traces."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from mechlab.core.errors import UsageError


@dataclass(frozen=True)
class Node:
    """Something in a model that can cause or be caused.

    Attributes:
        name: unique in its graph, such as `head.3.1` or `head.3.1.0` (a component).
        kind: what it is: `head`, `component`, ...
        layer: where in depth; None if it has none.
        position: where in the text; None if it stands for all.
    """

    name: str
    kind: str
    layer: int | None = None
    position: int | None = None


@dataclass(frozen=True)
class Edge:
    """An effect of one node on another.

    Attributes:
        effect: how strong, with a sign where it has one; the method says in which unit.
        route: by which way, such as the receiver's `q`, `k` or `v`; empty if there is only one.
    """

    source: str
    target: str
    effect: float
    route: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes, and effects between them; no edge stands twice and none ends nowhere."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        names = [node.name for node in self.nodes]
        if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
            raise UsageError("two nodes of a graph have one name", value=", ".join(twice))
        known = set(names)
        if lost := sorted({end for edge in self.edges for end in (edge.source, edge.target)} - known):
            raise UsageError("an edge of a graph ends at no node", value=", ".join(lost))
        ways = {(edge.source, edge.target, edge.route) for edge in self.edges}
        if len(ways) < len(self.edges):
            raise UsageError("an edge stands twice in a graph", value=f"{len(self.edges) - len(ways)} times")

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """Return nodes by name."""
        return {node.name: node for node in self.nodes}

    def strongest(self, n: int) -> "Graph":
        """Return the `n` edges with the largest effect, whatever its sign, the largest first, and their nodes."""
        return self._of(sorted(self.edges, key=lambda edge: -abs(edge.effect))[:n])

    def at_least(self, effect: float) -> "Graph":
        """Return the edges with an effect of at least this size, whatever its sign, and their nodes."""
        return self._of(edge for edge in self.edges if abs(edge.effect) >= effect)

    def by_route(self, *routes: str) -> "Graph":
        """Return the edges that take one of these routes, and their nodes."""
        return self._of(edge for edge in self.edges if edge.route in routes)

    def _of(self, edges: Iterable[Edge]) -> "Graph":
        kept = tuple(edges)
        ends = {end for edge in kept for end in (edge.source, edge.target)}
        return Graph(tuple(node for node in self.nodes if node.name in ends), kept)
