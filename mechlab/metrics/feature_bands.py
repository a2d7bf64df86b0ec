"""Bands of activation that hold equally many tokens each, and examples drawn evenly from each of them.

1. A feature's histogram says, by interpolation within a bin, below which activation a share of its tokens lies.
2. Those quantiles are the bands' edges; they depend on all tokens, not on those that were sampled.
3. Of a uniform sample of the feature's tokens, those inside a band are a uniform sample of the band.
"""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from mechlab.metrics.histograms import Histograms


def quantile_edges(
    histograms: Histograms, largest: Float[Tensor, "n_features"], n_bands: int
) -> Float64[Tensor, "n_features n_edges"]:
    """Return the edges of each feature's bands, rising from 0 to its largest activation; all 0 where it never fires.

    Args:
        histograms: of one group that holds all tokens.
        largest: each feature's largest activation.
        n_bands: how many bands; there is one edge more.
    """
    below = histograms.counts[0].double().cumsum(1)
    total = below[:, -1:]
    wanted = total * torch.linspace(0, 1, n_bands + 1, dtype=torch.float64)
    bins = torch.searchsorted(below, wanted[:, 1:-1].contiguous()).clamp(max=histograms.n_bins - 1)
    reached, inside = below.gather(1, bins), histograms.counts[0].double().gather(1, bins)
    part = 1 - (reached - wanted[:, 1:-1]) / inside.clamp(min=1)
    inner = (bins + part) / histograms.n_bins * histograms.top.double()[:, None]
    last = largest.double()[:, None]
    edges = torch.cat([torch.zeros_like(last), torch.minimum(inner, last), last], dim=1)
    return torch.where(total > 0, edges, 0.0)


def slots_in_bands(
    values: Float[Tensor, "n_features n_slots"], edges: Float64[Tensor, "n_features n_edges"], n_per_band: int
) -> Int64[Tensor, "n_features n_bands n_per_band"]:
    """Return the first slots of each band, weakest band first; -1 where a band has no more.

    Args:
        values: activations of a sample in the order of its draw; 0 where a slot is empty.
        edges: of the bands: a value belongs to the band whose upper edge is the first not below it.
        n_per_band: how many of each band.
    """
    band = torch.searchsorted(edges[:, 1:].contiguous(), values.double()).clamp(max=edges.shape[1] - 2)
    found = []
    for b in range(edges.shape[1] - 1):
        outside = (band != b) | (values <= 0)
        first = outside.int().argsort(dim=1, stable=True)[:, :n_per_band]
        found.append(torch.where(outside.gather(1, first), -1, first))
    return torch.stack(found, dim=1)
