"""What one pass over a corpus gathers of all features at once, in memory that does not grow with the corpus.

1. Counts: how often each feature fires, by row; the sum of its activations, their maximum, their histogram.
2. Its strongest tokens, at most one from a row, and of those that stand in equal text only the strongest.
3. A sample of all tokens it fires on, each as likely as any other.
4. Where the corpus has labels: how well it tells each class.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mechlab.core.hashed_order import hashed_order
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.active_codes import ActiveCodes
from mechlab.metrics.feature_causes import CauseCounts
from mechlab.metrics.histograms import Histograms
from mechlab.metrics.kept_contexts import KeptContexts
from mechlab.metrics.labels import Classes

OUTSIDE = -1
_TEXT_STEP = 0x9E3779B97F4A7C15 - (1 << 64)


@dataclass(frozen=True)
class Gathering:
    """What is gathered: how many contexts of each feature, how many tokens around each, the histograms' bins."""

    n_top: int
    n_sampled: int
    n_before: int
    n_after: int
    n_bins: int
    seed: int


class FeaturePass:
    """The state of one pass; batches come in the order of the corpus.

    Attributes:
        fires: how many tokens each feature fires on.
        fires_squared: the sum over rows of the square of that number, `fires_with_length` of its product with the
            row's tokens: what the spread between rows is made of.
    """

    def __init__(self, n_features: int, classes: Classes, how: Gathering) -> None:
        self.how, self.n_features = how, n_features
        self.n_rows = self.n_tokens = self.n_places = 0
        self.lengths_squared = 0.0
        self.fires, self.fires_squared, self.fires_with_length, self.total = torch.zeros(
            4, n_features, dtype=torch.float64
        )
        self.largest = torch.zeros(n_features)
        self.histograms = Histograms(1, n_features, how.n_bins)
        self.causes = CauseCounts(classes, n_features)
        self.top = KeptContexts(n_features, how.n_top)
        self.sampled = KeptContexts(n_features, how.n_sampled)

    def update(self, active: ActiveCodes, rows: TokenRows) -> None:
        """Take one batch of rows in."""
        self._count(active, len(rows))
        everywhere = torch.zeros(1, len(active.place), dtype=torch.long)
        self.histograms.count(active.token, active.feature, active.value, everywhere)
        self.causes.update(active, rows)
        self._keep_strongest(active, rows)
        self._keep_sampled(active, rows)
        self.n_places += rows.n_tokens

    def _count(self, active: ActiveCodes, n_rows: int) -> None:
        cells = n_rows * self.n_features
        by_row = torch.bincount(active.row * self.n_features + active.feature, minlength=cells).double()
        by_row = by_row.view(n_rows, self.n_features)
        lengths = torch.bincount(active.place // active.row_length, minlength=n_rows).double()
        self.n_rows, self.n_tokens = self.n_rows + n_rows, self.n_tokens + len(active.place)
        self.lengths_squared += float(lengths.square().sum())
        self.fires += by_row.sum(0)
        self.fires_squared += by_row.square().sum(0)
        self.fires_with_length += lengths @ by_row
        self.total += torch.bincount(active.feature, active.value.double(), minlength=self.n_features)
        self.largest.scatter_reduce_(0, active.feature, active.value, "amax")

    def _keep_strongest(self, active: ActiveCodes, rows: TokenRows) -> None:
        # Positive floats are in the order of their bits.
        priority = active.value.view(torch.int32).long()
        some = self.top.welcomes(active.feature, priority)
        some = some[_first_of_largest(active.row[some] * self.n_features + active.feature[some], priority[some])]
        text = _texts(active, some, rows, self.how)[0]
        key = ((text.long() + 2) * _powers(text.shape[1])).sum(1)
        self._offer(self.top, active, some, priority[some], key, rows)

    def _keep_sampled(self, active: ActiveCodes, rows: TokenRows) -> None:
        things = (self.n_places + active.place[active.token]) * self.n_features + active.feature
        priority = -hashed_order(things, self.how.seed, "examples of features")
        some = self.sampled.welcomes(active.feature, priority)
        self._offer(self.sampled, active, some, priority[some], things[some], rows)

    def _offer(
        self,
        kept: KeptContexts,
        active: ActiveCodes,
        some: Int64[Tensor, "n"],
        priority: Int64[Tensor, "n"],
        key: Int64[Tensor, "n"],
        rows: TokenRows,
    ) -> None:
        place = self.n_places + active.place[active.token[some]]

        def payload(chosen: Tensor) -> dict[str, Tensor]:
            text, values = _texts(active, some[chosen], rows, self.how)
            found = {"tokens": text, "values": values}
            return found if kept is self.sampled else found | _rows_of(active, some[chosen], rows)

        kept.offer(active.feature[some], priority, place, key, payload)

    def frequency_error(self) -> Float64[Tensor, "n_features"]:
        """Return the standard error of the share of tokens each feature fires on, rows being the independent units.

        Source: the variance of a ratio to first order (Cochran 1977, "Sampling Techniques").
        """
        share = self.fires / max(self.n_tokens, 1)
        squares = self.fires_squared - 2 * share * self.fires_with_length + share.square() * self.lengths_squared
        variance = squares.clamp(min=0) / max(self.n_tokens, 1) ** 2
        return (variance * self.n_rows / max(self.n_rows - 1, 1)).sqrt()


def _texts(active: ActiveCodes, some: Int64[Tensor, "n"], rows: TokenRows, how: Gathering) -> tuple[Tensor, Tensor]:
    """Return the tokens around some active codes, `OUTSIDE` beyond their row, and the feature's codes on them."""
    places, inside, values = active.around(some, how.n_before, how.n_after)
    return torch.where(inside, rows.tokens.flatten()[places].int(), OUTSIDE), values


def _rows_of(active: ActiveCodes, some: Int64[Tensor, "n"], rows: TokenRows) -> dict[str, Tensor]:
    """Return the rows some active codes are in, where they are there, and the next token where it is predicted."""
    row, position = active.row[some], active.position[some]
    next_ = (position + 1).clamp(max=rows.row_length - 1)
    predicted = (position + 1 < rows.row_length) & ~rows.special[row, next_]
    following = torch.where(predicted, rows.tokens[row, next_].int(), OUTSIDE)
    return {"row": rows.tokens[row].int(), "position": position, "following": following}


def _first_of_largest(group: Int64[Tensor, "n"], priority: Int64[Tensor, "n"]) -> Int64[Tensor, "n_groups"]:
    """Return the number of the first largest of each group, in rising order."""
    kinds, member = group.unique(return_inverse=True)
    largest = torch.zeros(len(kinds), dtype=torch.int64).scatter_reduce_(0, member, priority, "amax")
    hits = (priority == largest[member]).nonzero()[:, 0]
    first = torch.full((len(kinds),), len(group)).scatter_reduce_(0, member[hits], hits, "amin")
    return first.sort().values


def _powers(n: int) -> Int64[Tensor, "n"]:
    """Return odd multipliers, one for each place of a text, so that equal texts have equal sums."""
    return torch.full((n,), _TEXT_STEP, dtype=torch.int64).cumprod(0)
