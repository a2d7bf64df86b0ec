"""The attribution graph of one prompt: which features, errors and tokens make the targets what they are, exactly.

1. Hold the pass still and attribute the targets.
2. Among the features that no row tells of yet, take those with the largest influence, and attribute them.
3. Go on until all are attributed, or as many as asked.
4. Every row and its bias sum to what the node was; what is missing is rounding, and is told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.influence import Influence, Shares, TracedShares, influence
from mechlab.circuits.attribution.rows import Rows, attributed
from mechlab.circuits.attribution.sources import Sources, sources_of
from mechlab.circuits.attribution.targets import Targets, feature_targets
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress

AT_ONCE = 128
LARGEST = 2**26
"""Numbers in what is carried down one walk, features times positions times width: 256 MB of float32; a few such
arrays are held at once."""


@dataclass(frozen=True, eq=False)
class AttributionGraph:
    """Exact effects on some targets and on the features that were traced.

    Attributes:
        frozen: the pass that was held still.
        sources: the columns of all rows.
        targets: what was asked about.
        weights: how much each target counts, summing to 1.
        of_targets: their rows.
        visited: columns of the features that were traced, in order.
        of_features: their rows.
        largest_miss: the largest part of a node's value that its row and bias do not make up.
    """

    frozen: FrozenPass
    sources: Sources
    targets: Targets
    weights: Float[Tensor, "n_targets"]
    of_targets: Rows
    visited: Int[Tensor, "n_visited"]
    of_features: Rows
    largest_miss: float

    @cached_property
    def influence(self) -> Influence:
        """Return how much of the targets comes through each source."""
        layers = self.sources.layer[self.visited]
        traced = []
        for layer in layers.unique().tolist():
            own = layers == layer
            rows = Rows(self.of_features.effects[own], self.of_features.bias[own])
            traced.append(TracedShares(layer, self.visited[own], Shares.of(rows)))
        return influence(Shares.of(self.of_targets), self.weights, traced)

    @property
    def replacement_score(self) -> float:
        """Return the part of what does not end at biases that ends at tokens, positions or BOS, and not at errors."""
        starts, found = self.sources.starts, self.influence.columns
        errors = float(found[starts["errors"] : starts["tokens"]].sum())
        ends = float(found[starts["tokens"] :].sum())
        return ends / max(ends + errors, torch.finfo(found.dtype).tiny)

    @property
    def completeness_score(self) -> float:
        """Return the part of what targets and traced features take that is not from errors, by their influence."""
        errors = slice(self.sources.starts["errors"], self.sources.starts["tokens"])
        of_targets, of_features = (
            Shares.of(rows).sources[:, errors].sum(-1) for rows in (self.of_targets, self.of_features)
        )
        reached = self.influence.columns[self.visited]
        lost = self.weights @ of_targets + reached @ of_features
        return 1 - float(lost / (self.weights.sum() + reached.sum()))


@torch.no_grad()
def attribution_graph(
    frozen: FrozenPass,
    targets: Targets,
    *,
    weights: Sequence[float] | None = None,
    max_features: int | None = None,
    at_once: int = AT_ONCE,
    progress: Progress = SILENT,
) -> AttributionGraph:
    """Return the attribution graph of a pass for some targets.

    Args:
        frozen: the pass.
        targets: what is asked about.
        weights: how much each counts; None is alike.
        max_features: how many features to trace, those of the largest influence; None is all.
        at_once: features attributed in one walk, fewer where the prompt is so long that what is carried down would have
            more than `LARGEST` numbers; more take more memory.
        progress: where to report.

    Raises:
        UsageError: there is no target, or the weights do not fit.
    """
    own_weights = _weights(weights, targets)
    sources = sources_of(frozen)
    frozen.transcoders.let_go()
    of_targets = attributed(frozen, sources, targets)
    tracing = _Tracing(frozen, sources, Shares.of(of_targets), own_weights)
    n_all, at_once = len(sources.code), bounded(at_once, frozen)
    n_wanted = n_all if max_features is None else min(max_features, n_all)
    with progress.task("tracing features", n_wanted, "features") as task:
        for chosen in tracing.all_of_them(at_once) if n_wanted == n_all else tracing.foremost(n_wanted, at_once):
            tracing.trace(chosen)
            task.advance(len(chosen))
    visited, of_features = tracing.found()
    return AttributionGraph(
        frozen=frozen,
        sources=sources,
        targets=targets,
        weights=own_weights,
        of_targets=of_targets,
        visited=visited,
        of_features=of_features,
        largest_miss=max(_largest_miss(of_targets, targets), *tracing.misses, 0.0),
    )


def bounded(at_once: int, frozen: FrozenPass) -> int:
    """Return how many features are attributed in one walk: at least one, however long the prompt."""
    return max(1, min(at_once, LARGEST // frozen.final.numel()))


def _weights(weights: Sequence[float] | None, targets: Targets) -> Float[Tensor, "n_targets"]:
    if not len(targets):
        raise UsageError("nothing is asked about", value=0, remedy="Give at least one target.")
    found = targets.values.new_ones(len(targets)) if weights is None else targets.values.new_tensor(weights)
    if len(found) != len(targets) or (found < 0).any() or not found.any():
        remedy = f"Give {len(targets)} weights, none below zero and not all zero."
        raise UsageError("weights do not fit the targets", value=found.tolist(), remedy=remedy)
    return found / found.sum()


def _largest_miss(rows: Rows, targets: Targets) -> float:
    return float((rows.missing(targets).abs() / (1 + targets.values.abs())).max())


class _Tracing:
    """Features traced so far, some of one layer at a time, and which are next."""

    def __init__(self, frozen: FrozenPass, sources: Sources, of_targets: Shares, weights: Tensor) -> None:
        self._frozen, self._sources, self._of_targets, self._weights = frozen, sources, of_targets, weights
        self._layers = range(frozen.spec.n_layers)
        self._targets = [feature_targets(frozen, sources, layer) for layer in self._layers]
        starts = torch.tensor(list(self._layers), device=sources.layer.device)
        self._first = torch.searchsorted(sources.layer, starts).tolist()
        self._columns: list[Tensor] = []
        self._rows: list[Rows] = []
        self.misses: list[float] = []

    def all_of_them(self, at_once: int) -> Iterator[Tensor]:
        """Yield the columns of all features, some of one layer at a time, those of early positions together."""
        for layer in reversed(self._layers):
            columns = (self._sources.layer == layer).nonzero().squeeze(1)
            yield from (piece for piece in columns.split(at_once) if len(piece))

    def foremost(self, n: int, at_once: int) -> Iterator[Tensor]:
        """Yield the columns of the features with the largest influence among those not traced, until there are n.

        Each time those of one layer, so that one walk does for all: the layer whose features weigh most.
        """
        is_open, pieces = torch.ones_like(self._sources.layer, dtype=torch.bool), list[TracedShares]()
        while n > 0:
            found = influence(self._of_targets, self._weights, pieces).columns[: len(is_open)]
            reached = torch.where(is_open, found, 0)
            best = reached.topk(min(n, at_once, len(reached))).indices
            best = best[reached[best] > 0]
            if not len(best):
                return
            weight = reached.new_zeros(len(self._layers)).index_add_(0, self._sources.layer[best], reached[best])
            chosen = best[self._sources.layer[best] == weight.argmax()].sort().values
            is_open[chosen] = False
            n -= len(chosen)
            yield chosen  # traced by whoever asks, before the next are chosen
            pieces.append(TracedShares(int(weight.argmax()), chosen, Shares.of(self._rows[-1])))

    def trace(self, columns: Tensor) -> None:
        """Attribute features of one layer, given by their columns in order."""
        layer = int(self._sources.layer[columns[0]])
        targets = self._targets[layer].chosen(columns - self._first[layer])
        rows = attributed(self._frozen, self._sources, targets)
        self._columns.append(columns)
        self._rows.append(rows)
        self.misses.append(_largest_miss(rows, targets))

    def found(self) -> tuple[Tensor, Rows]:
        """Return the columns traced and their rows, in the order of the columns."""
        if not self._columns:
            empty = self._weights.new_zeros(0, self._sources.n_columns)
            return self._sources.layer.new_zeros(0), Rows(empty, self._weights.new_zeros(0))
        columns = torch.cat(self._columns)
        order = columns.argsort()
        effects, bias = (torch.cat([getattr(one, name) for one in self._rows])[order] for name in ("effects", "bias"))
        return columns[order], Rows(effects, bias)
