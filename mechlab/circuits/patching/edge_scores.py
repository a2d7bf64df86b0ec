"""What edges are worth, prompt by prompt: how far the outcome falls when an edge carries the other prompt."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.graph import Edge, Graph, Node
from mechlab.interventions.wiring import LOGITS, Wiring
from mechlab.models.sites import MODES


@dataclass(frozen=True, eq=False)
class EdgeScores:
    """Scores of all edges of a model.

    Attributes:
        wiring: what the edges join.
        values: each prompt's score of each edge, in the outcome's unit, positive where the edge supports the clean
            answer; 0 where there is no edge.
        method: how they were found.
    """

    wiring: Wiring
    values: Float[Tensor, "n n_sources n_readers"]
    method: str

    @cached_property
    def mean(self) -> Float[Tensor, "n_sources n_readers"]:
        """Return the mean over prompts."""
        return self.values.double().mean(0)

    @property
    def of_edges(self) -> Float[Tensor, "n_edges"]:
        """Return the mean of every edge there is, source by source."""
        return self.mean[self.wiring.is_edge]

    def graph(self) -> Graph:
        """Return all edges with their mean scores; a reader's route is what it reads the stream as."""
        names = dict.fromkeys((*self.wiring.sources, *(reader.node for reader in self.wiring.readers)))
        return Graph(tuple(map(node_of, names)), tuple(self._edges()))

    def _edges(self) -> Iterator[Edge]:
        mean = self.mean.tolist()
        for place, reader in enumerate(self.wiring.readers):
            route = reader.reading if reader.reading in MODES else ""
            for number in range(self.wiring.n_heard[place]):
                yield Edge(self.wiring.sources[number], reader.node, mean[number][place], route)


def edge_name(source: str, reader: str) -> str:
    """Return such as `head.0.1 -> head.2.3.q`."""
    return f"{source} -> {reader}"


def node_of(name: str) -> Node:
    """Return the node of a source or reader by its name."""
    kind, _, place = name.partition(".")
    if not place:
        return Node(name, "logits" if name == LOGITS else kind)
    return Node(name, kind, layer=int(place.partition(".")[0]))
