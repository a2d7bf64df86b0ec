"""One stream of activations at many sites, read by many: each takes the part of a batch that its route names.

1. Every token's activations at all sites lie in one row of the shuffling pool: one forward pass serves everybody.
2. Which tokens make a batch depends on the seed alone, so a reader gets the bytes that it would get alone.
3. Readers keep step: a batch is held until all have taken it, then the next one is drawn.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.activations.mixing import MixedBatches
from mechlab.activations.stream import ActivationStream, StreamConfig
from mechlab.core.errors import ArtifactError
from mechlab.core.shapes import Inputs, Targets
from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
from mechlab.models.sites import Site

CURSOR_SERVED = 3


class SharedBatches:
    """The batches of a stream over the sites of several routes; `reader` gives each route's share of them.

    Attributes:
        n_passes: as in `MixedBatches`.
    """

    def __init__(self, model: LanguageModel, rows: TokenRows, routes: Sequence[Route], config: StreamConfig) -> None:
        sites = list(dict.fromkeys(site for route in routes for site in route.sites))
        stream = ActivationStream(model, rows, sites, config)
        ends = torch.tensor(stream.widths_in).cumsum(0).tolist()
        self._columns = {site: slice(end - n, end) for site, end, n in zip(sites, ends, stream.widths_in, strict=True)}
        self._mixed: MixedBatches = stream
        self._batch: Inputs | None = None
        self._parts: dict[Route, Inputs] = {}
        self._stored: dict[Site, Tensor] = {}

    def reader(self, route: Route) -> "Reader":
        """Return a source of a route's batches."""
        return Reader(self, route)

    def widths(self, sites: Sequence[Site]) -> list[int]:
        """Return the width of each site's vectors."""
        return [self._columns[site].stop - self._columns[site].start for site in sites]

    def part(self, n: int, route: Route) -> Float[Tensor, "batch d_route"]:
        """Return what a route reads and rebuilds of the n-th batch, which is the last one drawn or the next.

        Raises:
            StopIteration: there is no n-th batch.
        """
        if n == self._mixed.n_served:
            self._batch, self._parts = self._mixed.next(), {}
        elif n != self._mixed.n_served - 1 or self._batch is None:
            raise ValueError(f"readers are out of step: batch {n} asked for, {self._mixed.n_served} drawn")
        if route not in self._parts:
            self._parts[route] = self._cut(self._batch, route)
        return self._parts[route]

    def state(self, route: Route) -> dict[str, Tensor]:
        """Return the state that a stream of this route alone would have."""
        state = self._mixed.state()
        return {**state, "vectors": self._cut(state["vectors"], route)}

    def restore(self, state: Mapping[str, Tensor], route: Route) -> None:
        """Take one route's stored state; once every site's is there, the stream goes on from them.

        Raises:
            ArtifactError: the state lacks a part, or is of a stream of another shape.
        """
        if missing := {"vectors", "draws", "cursor"} - state.keys():
            raise ArtifactError("saved stream lacks", value=", ".join(sorted(missing)))
        widths = self.widths(route.sites)
        if state["vectors"].shape[-1] != sum(widths):
            raise ArtifactError("saved stream is of other sites", value=state["vectors"].shape[-1])
        self._stored |= dict(zip(route.sites, state["vectors"].split(widths, dim=1), strict=True))
        if len(self._stored) == len(self._columns):
            vectors = torch.cat([self._stored[site] for site in self._columns], dim=1)
            self._mixed.restore({**state, "vectors": vectors})
            self._stored, self._batch = {}, None

    def _cut(self, rows: Float[Tensor, "n d_all"], route: Route) -> Float[Tensor, "n d_route"]:
        if route.sites == tuple(self._columns):
            return rows
        return torch.cat([rows[:, self._columns[site]] for site in route.sites], dim=1)


class Reader:
    """One route's batches; several readers of the same `SharedBatches` take turns, one batch each.

    Attributes:
        widths_in: width of each site read.
        widths_out: width of each target; none where the inputs are their own.
    """

    def __init__(self, shared: SharedBatches, route: Route) -> None:
        self._shared, self._route, self._n = shared, route, 0
        self.widths_in, self.widths_out = shared.widths(route.inputs), shared.widths(route.targets)

    def next(self) -> Inputs | tuple[Inputs, Targets]:
        """Return the next batch, in its two sides where there are targets.

        Raises:
            StopIteration: all batches were served.
        """
        rows = self._shared.part(self._n, self._route)
        self._n += 1
        d_in = sum(self.widths_in)
        return (rows[:, :d_in], rows[:, d_in:]) if self.widths_out else rows

    def state(self) -> dict[str, Tensor]:
        """Return what a stream of this route alone would store here."""
        return self._shared.state(self._route)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on exactly where the state was taken; all readers must do so before one takes a batch."""
        self._shared.restore(state, self._route)
        self._n = int(state["cursor"][CURSOR_SERVED])
