"""Histograms of every feature's positive activations, per group of tokens, in one pass and bounded memory.

1. A feature's bins are equal and start at 0; their range is a power of two above the largest value so far.
2. When a larger value arrives, neighbouring bins merge until it fits: counts stay exact.
3. Counts from a bin upwards say how often the feature fires above that bin's edge, in each group.
"""

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

N_BINS = 32
_LARGEST = 2.0**126  # the next power of two must be a finite float32


class Histograms:
    """Counts per group, feature and bin; a token may be in several groups."""

    def __init__(self, n_groups: int, n_features: int, n_bins: int = N_BINS) -> None:
        self.counts = torch.zeros(n_groups, n_features, n_bins, dtype=torch.int32)
        self.n_tokens = torch.zeros(n_groups, dtype=torch.int64)
        self.top = torch.zeros(n_features)

    def update(self, values: Float[Tensor, "n_tokens n_features"], groups: Int[Tensor, "n_families n_tokens"]) -> None:
        """Count one batch of activations.

        Args:
            values: only those above 0 fall in a bin.
            groups: per family, the group of each token, or -1.
        """
        values = values.detach().float().cpu()
        token, feature = (values > 0).nonzero(as_tuple=True)
        self.count(token, feature, values[token, feature], groups)

    def count(
        self,
        token: Int[Tensor, "n_values"],
        feature: Int[Tensor, "n_values"],
        values: Float[Tensor, "n_values"],
        groups: Int[Tensor, "n_families n_tokens"],
    ) -> None:
        """Count one batch whose activations above 0 are listed: the token and the feature of each, and how much."""
        values, groups = values.clamp(max=_LARGEST), groups.long()
        self.n_tokens += torch.bincount(groups[groups >= 0], minlength=len(self.n_tokens))
        self._make_room(torch.zeros_like(self.top).scatter_reduce_(0, feature, values, "amax"))
        cell = feature * self.n_bins + self._bin(values, feature)
        flat = self.counts.view(-1)
        for family in groups:
            group = family[token]
            index = (group * self.counts[0].numel() + cell)[group >= 0]
            flat.index_add_(0, index, torch.ones(len(index), dtype=flat.dtype))

    @property
    def n_bins(self) -> int:
        """Bins per feature."""
        return self.counts.shape[-1]

    def at_least(self, group: int) -> Float64[Tensor, "n_features n_bins"]:
        """Return how many of the group's tokens reach each bin's lower edge (the first: exceed 0)."""
        return self.counts[group].double().flip(-1).cumsum(-1).flip(-1)

    def _bin(self, values: Float[Tensor, "n_values"], feature: Int[Tensor, "n_values"]) -> Int[Tensor, "n_values"]:
        return (values / self.top[feature] * self.n_bins).long()

    def _make_room(self, peak: Float[Tensor, "n_features"]) -> None:
        needed = torch.where(peak > 0, torch.exp2(torch.floor(torch.log2(peak)) + 1), 0.0)
        self.top = torch.where(self.top == 0, needed, self.top)
        while len(small := (self.top < needed).nonzero()[:, 0]):
            merged = self.counts[:, small].unflatten(-1, (self.n_bins // 2, 2)).sum(-1, dtype=torch.int32)
            self.counts[:, small] = torch.nn.functional.pad(merged, (0, self.n_bins - merged.shape[-1]))
            self.top[small] *= 2
