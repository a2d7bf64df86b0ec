"""The activations of a model over token rows, as shuffled batches."""

from collections.abc import Callable, Sequence

from pydantic import PositiveInt

from mechlab.activations.capture import RowSource
from mechlab.activations.mixing import MixConfig, MixedBatches, Source
from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site

Sharing = Callable[[Source], Source]


class StreamConfig(MixConfig):
    """How activations are computed and mixed.

    Attributes:
        forward_rows: rows per forward pass.
        skip_special: leave out tokens that stand for no text.
    """

    forward_rows: PositiveInt = 32
    skip_special: bool = True


class ActivationStream(MixedBatches):
    """Shuffled batches [batch_size, d_in] of a model's activations; see `MixedBatches`.

    Args:
        model: the model.
        rows: what it reads.
        site: where; the vectors of several sites stand side by side, each token's in one row.
        config: how they are computed and mixed.
        share: makes of the source one that several processes read together; None where there is one process.

    Attributes:
        widths_in: of each site's part of a vector.
        widths_out: none: what is served is its own target.
    """

    def __init__(
        self,
        model: LanguageModel,
        rows: TokenRows,
        site: str | Site | Sequence[Site],
        config: StreamConfig,
        share: Sharing | None = None,
    ) -> None:
        source = RowSource(model, rows, site, skip_special=config.skip_special)
        self.widths_in: list[int] = source.widths
        self.widths_out: list[int] = []
        super().__init__(share(source) if share else source, config.forward_rows, config)
