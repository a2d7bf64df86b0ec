"""Graphs hold nodes and effects, refuse what does not fit together, and can be cut down."""

import pytest

from mechlab.circuits.graph import Edge, Graph, Node
from mechlab.core.errors import UsageError

NODES = (Node("a", "head", 0), Node("b", "head", 1), Node("c", "head", 2))
EDGES = (Edge("a", "b", 0.5, "q"), Edge("a", "c", -2.0, "v"), Edge("b", "c", 0.1, "q"))


def test_the_strongest_edges_come_first_whatever_their_sign_and_bring_their_nodes():
    found = Graph(NODES, EDGES).strongest(1)
    assert found.edges == (EDGES[1],) and [node.name for node in found.nodes] == ["a", "c"]


def test_edges_are_kept_by_size_or_by_route():
    graph = Graph(NODES, EDGES)
    assert graph.at_least(0.5).edges == EDGES[:2] and graph.by_route("q").edges == (EDGES[0], EDGES[2])
    assert graph.by_route("k") == Graph((), ()) and graph.by_name["b"].layer == 1


@pytest.mark.parametrize(
    ("nodes", "edges", "line"),
    [
        ((*NODES, Node("b", "mlp")), EDGES, "two nodes of a graph have one name (got b)"),
        (NODES[:2], EDGES, "an edge of a graph ends at no node (got c)"),
        (NODES, (*EDGES, Edge("a", "b", 3.0, "q")), "an edge stands twice in a graph (got 1 times)"),
    ],
)
def test_what_does_not_fit_together_is_refused(nodes, edges, line):
    with pytest.raises(UsageError) as caught:
        Graph(nodes, edges)
    assert line.split(" (")[0] in str(caught.value) and line.split("got ")[1].rstrip(")") in str(caught.value)


def test_two_routes_between_the_same_nodes_are_two_edges():
    assert len(Graph(NODES, (*EDGES, Edge("a", "b", 3.0, "k"))).edges) == 4
