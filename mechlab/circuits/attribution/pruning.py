"""The part of an attribution graph that people look at: the nodes and edges that carry most of the influence.

1. Of features and errors those are kept that together carry a share of the influence of all; tokens, positions, BOS and
   targets stay.
2. Of the edges between what is kept those are kept that together carry a share of their influence.
3. A feature that leads nowhere any more, or comes from nowhere, goes, and with it its edges, until none is left.
4. What was lost is told.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.influence import Shares
from mechlab.circuits.attribution.rows import Rows
from mechlab.core.errors import UsageError


@dataclass(frozen=True, eq=False)
class Pruned:
    """What is kept of a graph.

    Attributes:
        columns: of the sources kept, in order.
        rows: of the features kept, as places among those traced.
        edges: which effects are kept: a row for each target, then for each feature of `rows`; a column for each of
            `columns`.
        of_targets: the share of what targets take that comes along edges kept, biases left out.
        influence: the share of the influence of features and errors that those kept have.
    """

    columns: Int[Tensor, "n_kept"]
    rows: Int[Tensor, "n_rows"]
    edges: Bool[Tensor, "n_ends n_kept"]
    of_targets: float
    influence: float

    @property
    def n_edges(self) -> int:
        """Number of edges kept."""
        return int(self.edges.sum())


@torch.no_grad()
def pruned(graph: AttributionGraph, *, nodes: float = 0.8, edges: float = 0.98) -> Pruned:
    """Return the nodes and edges that carry these shares of the influence.

    Args:
        graph: a whole graph.
        nodes: share of the influence of features and errors to keep.
        edges: share of the influence along edges to keep.

    Raises:
        UsageError: a share is not above 0 and at most 1.

    Source: Ameisen et al. 2025, "Circuit Tracing" (graph pruning), with its usual shares. We tell what was lost.
    """
    for share in (nodes, edges):
        if not 0 < share <= 1:
            raise UsageError("share to keep is out of range", value=share, remedy="Give one above 0 and at most 1.")
    columns = _kept_columns(graph, nodes)
    rows = torch.isin(graph.visited, columns).nonzero().squeeze(1)
    weighted = _weighted(graph, rows)
    is_kept = _largest(weighted[:, columns].flatten(), edges).view(-1, len(columns))
    columns, rows, is_kept = _without_loose_ends(graph, columns, rows, is_kept)
    found, n_countable, n_targets = graph.influence.columns, graph.sources.starts["tokens"], len(graph.targets)
    direct = weighted[:n_targets]
    return Pruned(
        columns=columns,
        rows=rows,
        edges=is_kept,
        of_targets=float((direct[:, columns] * is_kept[:n_targets]).sum() / direct.sum()),
        influence=float(found[columns[columns < n_countable]].sum() / found[:n_countable].sum()),
    )


def _kept_columns(graph: AttributionGraph, share: float) -> Int[Tensor, "n_kept"]:
    n_countable, found = graph.sources.starts["tokens"], graph.influence.columns
    is_kept = torch.ones_like(found, dtype=torch.bool)
    is_kept[:n_countable] = _largest(found[:n_countable], share)
    untraced = torch.ones(len(graph.sources.code), dtype=torch.bool, device=found.device)
    untraced[graph.visited] = False
    is_kept[: len(untraced)] &= ~untraced
    return is_kept.nonzero().squeeze(1)


def _largest(values: Float[Tensor, "n"], share: float) -> Bool[Tensor, "n"]:
    """Return the fewest largest values that sum to this share of all; none that is zero."""
    order = values.argsort(descending=True, stable=True)
    before = values[order].cumsum(0) - values[order]
    is_kept = torch.zeros_like(values, dtype=torch.bool)
    is_kept[order] = before < share * values.sum()
    return is_kept & (values > 0)


def _weighted(graph: AttributionGraph, rows: Int[Tensor, "n_rows"]) -> Float[Tensor, "n_ends n_columns"]:
    """Return the influence along every edge: a target's or feature's shares times its own influence."""
    chosen = Rows(graph.of_features.effects[rows], graph.of_features.bias[rows])
    reached = graph.influence.columns[graph.visited[rows]]
    of_targets = Shares.of(graph.of_targets).sources * graph.weights[:, None]
    return torch.cat([of_targets, Shares.of(chosen).sources * reached[:, None]])


def _without_loose_ends(
    graph: AttributionGraph, columns: Tensor, rows: Tensor, edges: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what is left once every feature and error leads somewhere and every feature comes from somewhere."""
    n_targets, n_features = len(graph.targets), len(graph.sources.code)
    n_countable = graph.sources.starts["tokens"]
    while True:
        leads = edges.any(0) | (columns >= n_countable)
        comes = torch.ones_like(leads)
        is_feature = columns < n_features
        comes[is_feature] = edges[n_targets:].any(1)
        stays = leads & comes
        if bool(stays.all()):
            return columns, rows, edges
        row_stays = torch.cat([torch.ones(n_targets, dtype=torch.bool, device=edges.device), stays[is_feature]])
        columns, rows, edges = columns[stays], rows[stays[is_feature]], edges[row_stays][:, stays]
