"""Paths as a graph whose sums are right: nodes, and what comes to the targets over each pair of them.

1. Every tail of a path, from one of its steps to the target, counts once, however many paths share it.
2. An edge has what all tails that begin with its two nodes bring; a node has what all that begin with it bring.
3. What reaches a node by none of the paths is its rest, a node of its own: into every node flows what flows out.
"""

from collections import defaultdict
from collections.abc import Iterable

from mechlab.circuits.attribution.paths import ENDS, Path, Step
from mechlab.circuits.graph import Edge, Graph, Node

REST = "rest"


def paths_graph(paths: Iterable[Path]) -> Graph:
    """Return the graph that paths make up; edges have the targets' unit.

    Edges from `rest` hold what the paths leave out, so that what comes into a node is what it brings to the targets.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (graphs from paths, each prefix
    counted once).
    """
    brought: dict[tuple[Step, ...], float] = {}
    for path in paths:
        for first in range(len(path)):
            brought.setdefault(path.steps[first:], path.effects[first])
    edges, given = defaultdict[tuple[Step, Step], float](float), defaultdict[Step, float](float)
    taken = defaultdict[Step, float](float)
    for tail, effect in brought.items():
        given[tail[0]] += effect
        if len(tail) > 1:
            edges[tail[0], tail[1]] += effect
            taken[tail[1]] += effect
    rests = {step: value - taken[step] for step, value in given.items() if step.kind not in ENDS}
    nodes = [Node(step.name, step.kind, step.layer, step.position) for step in given]
    return Graph(
        (*nodes, Node(REST, REST)) if rests else tuple(nodes),
        (
            *(Edge(source.name, target.name, effect) for (source, target), effect in edges.items()),
            *(Edge(REST, step.name, rest) for step, rest in rests.items()),
        ),
    )
