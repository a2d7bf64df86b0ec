"""What a metric is: it watches batches of rows pass through a dictionary and answers with estimates."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate

PASSES = ("clean", "spliced", "zero", "mean")
PREDICTORS = ("identity", "zero", "mean", "random")

Range = tuple[float, float]
Laws = Mapping[str, Mapping[str, Range]]


@dataclass(frozen=True)
class Batch:
    """Rows of tokens at a site, and what a dictionary made of them.

    Attributes:
        scored: the tokens that count; special tokens do not.
        targets: what the outputs are to be; the inputs themselves, where the dictionary has no target of its own.
        log_probs: of the next tokens with, at the sites rebuilt, the activation itself (`clean`), the dictionary's
            reconstruction (`spliced`), zeros (`zero`) or the mean activation (`mean`); special tokens stay untouched.
            `spliced.SITE` and `zero.SITE` replace one of several sites alone. All but the clean pass are run anew.
        losses: in nats, of the same passes; those without the dictionary are run once for all dictionaries.
        widths: of each site rebuilt, by name, where there are several: their vectors stand side by side in `targets`.
    """

    tokens: Int[Tensor, "batch pos"]
    scored: Bool[Tensor, "batch pos"]
    inputs: Float[Tensor, "batch pos d_in"]
    targets: Float[Tensor, "batch pos d_out"]
    codes: Float[Tensor, "batch pos d_sae"]
    outputs: Float[Tensor, "batch pos d_out"]
    log_probs: Callable[[str], Float[Tensor, "batch predictions d_vocab"]]
    losses: Callable[[str], Float64[Tensor, "batch predictions"]]
    widths: Mapping[str, int] = field(default_factory=dict)


class Metric(ABC):
    """A score that streams: batches in, estimates out.

    Attributes:
        laws: per null predictor (`identity`, `zero`, `mean`, `random`), the range each estimate must fall in.
    """

    laws: ClassVar[Laws]

    @abstractmethod
    def update(self, batch: Batch) -> None:
        """Take one batch of rows into account."""

    @abstractmethod
    def estimates(self, seed: int) -> dict[str, Estimate | None]:
        """Return every number by name; None where it is undefined on these rows."""

    def per_feature(self) -> dict[str, Float64[Tensor, "d_sae"]]:
        """Return what is known of each feature, by name; most metrics know nothing."""
        return {}


class RowSums:
    """The sums each row contributes, gathered batch by batch."""

    def __init__(self) -> None:
        self._batches: list[Tensor] = []

    def add(self, sums: Float64[Tensor, "batch n_sums"]) -> None:
        """Append the rows of one batch."""
        self._batches.append(sums)

    def table(self) -> Float64[Tensor, "n_rows n_sums"]:
        """Return one line per row seen.

        Raises:
            UsageError: no row was seen.
        """
        if not self._batches:
            raise UsageError("no rows were measured", remedy="Update the metric with at least one batch of rows.")
        return torch.cat(self._batches)
