"""What nodes are worth, prompt by prompt: how far the outcome falls when a node holds the other prompt's activation."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from mechlab.circuits.graph import Edge, Graph, Node
from mechlab.circuits.outcomes import position_of
from mechlab.circuits.patching.settings import NodeKind
from mechlab.core.errors import UnknownName
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.wiring import INPUT, Wiring
from mechlab.models.sites import Site
from mechlab.models.spec import ModelSpec


@dataclass(frozen=True)
class Patched:
    """An activation, at one role or at every token."""

    site: str
    at: str | None = None

    @property
    def name(self) -> str:
        """Return such as `head.2.3@S2`, or `mlp_out.1`."""
        return self.site if self.at is None else f"{self.site}@{self.at}"

    def where(self, pairs: PromptPairs) -> Bool[Tensor, "n pos"]:
        """Return at which tokens it is patched.

        Raises:
            UsageError: the prompts have no such role.
        """
        if self.at is None:
            return torch.ones_like(pairs.clean, dtype=torch.bool)
        return torch.arange(pairs.clean.shape[1]) == position_of(pairs, self.at)[:, None]


@dataclass(frozen=True, eq=False)
class NodeScores:
    """Scores of nodes.

    Attributes:
        patched: the nodes.
        values: each prompt's score of each node, in the outcome's unit, positive where it supports the clean answer.
        outcome: what they are worth something for.
        method: how they were found.
    """

    patched: tuple[Patched, ...]
    values: Float64[Tensor, "n n_nodes"]
    outcome: str
    method: str

    @cached_property
    def mean(self) -> Float64[Tensor, "n_nodes"]:
        """Return the mean over prompts."""
        return self.values.mean(0)

    def graph(self) -> Graph:
        """Return each node with an edge to the outcome."""
        nodes = tuple(node_of(one) for one in self.patched)
        edges = (Edge(node.name, self.outcome, score) for node, score in zip(nodes, self.mean.tolist(), strict=True))
        return Graph((*nodes, Node(self.outcome, "outcome")), tuple(edges))

    def by_source(self, wiring: Wiring) -> Float64[Tensor, "n_sources"]:
        """Return the scores of a wiring's sources, those at several roles summed; the input's is infinite.

        Raises:
            UnknownName: a head or MLP has no score.
        """
        found = dict.fromkeys(wiring.sources, 0.0)
        scored = set[str]()
        for one, score in zip(self.patched, self.mean.tolist(), strict=True):
            name = one.site.replace("mlp_out", "mlp")
            if name in found:
                found[name] += score
                scored.add(name)
        if lacking := [name for name in wiring.sources if name not in scored and name != INPUT]:
            raise UnknownName("part of the model has no score", value=lacking[0], remedy="Patch heads and mlp_out.")
        return torch.tensor([torch.inf, *list(found.values())[1:]], dtype=torch.float64)


def nodes_to_patch(spec: ModelSpec, kinds: Sequence[NodeKind], roles: Sequence[str] = ()) -> tuple[Patched, ...]:
    """Return the nodes of these kinds in every layer, at each role or at every token."""
    sites = [str(site) for kind in kinds for site in _sites(spec, kind)]
    return tuple(Patched(site, role) for site in sites for role in (roles or (None,)))


def node_of(patched: Patched) -> Node:
    """Return the node of a graph."""
    kind, _, place = patched.site.partition(".")
    return Node(patched.name, kind, layer=int(place.partition(".")[0]))


def _sites(spec: ModelSpec, kind: NodeKind) -> list[Site]:
    if kind == "mlp_out" and spec.d_mlp == 0:
        return []
    if kind == "head":
        return [Site("head", layer, head) for layer in range(spec.n_layers) for head in range(spec.n_heads)]
    return [Site(kind, layer) for layer in range(spec.n_layers)]
