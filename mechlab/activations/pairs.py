"""Activations to encode and activations to rebuild, token by token, from the same forward pass.

1. Each token's inputs and targets lie in one row of the shuffling pool, so nothing can part them.
2. A batch of rows is cut into its two sides; both are views.
"""

from collections.abc import Mapping

from torch import Tensor

from mechlab.activations.capture import RowSource
from mechlab.activations.mixing import MixedBatches
from mechlab.activations.stream import Sharing, StreamConfig
from mechlab.core.errors import UsageError
from mechlab.core.shapes import Inputs, Targets
from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route


class PairStream:
    """Shuffled batches (inputs [batch_size, d_in], targets [batch_size, d_out]); see `MixedBatches`.

    Attributes:
        d_in: width of the inputs, all sites together.
        d_out: width of the targets, all sites together.
        widths_in: width of each input site.
        widths_out: width of each target site.
        fingerprint: the hash of what determines the vectors, not of their order.
    """

    def __init__(
        self,
        model: LanguageModel,
        rows: TokenRows,
        route: str | Route,
        config: StreamConfig,
        share: Sharing | None = None,
    ) -> None:
        self.route = Route.of(route, model.spec)
        if not self.route.targets:
            raise UsageError("route has no target", value=str(self.route), remedy="Use ActivationStream.")
        source = RowSource(model, rows, self.route.sites, skip_special=config.skip_special)
        n_inputs = len(self.route.inputs)
        self.widths_in, self.widths_out = source.widths[:n_inputs], source.widths[n_inputs:]
        self.d_in, self.d_out = sum(self.widths_in), sum(self.widths_out)
        self._mixed = MixedBatches(share(source) if share else source, config.forward_rows, config)
        self.config, self.fingerprint = config, source.fingerprint

    def __iter__(self) -> "PairStream":
        return self

    def __next__(self) -> tuple[Inputs, Targets]:
        return self.next()

    def next(self) -> tuple[Inputs, Targets]:
        """Return the next batch's two sides.

        Raises:
            StopIteration: all `n_batches` were served.
        """
        rows = self._mixed.next()
        return rows[:, : self.d_in], rows[:, self.d_in :]

    def state(self) -> dict[str, Tensor]:
        """Return everything that determines the batches to come."""
        return self._mixed.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on exactly where the state was taken.

        Raises:
            ArtifactError: the state lacks a part, or is of a stream of another shape.
        """
        self._mixed.restore(state)
