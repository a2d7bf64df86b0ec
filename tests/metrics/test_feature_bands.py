"""Bands hold equally many tokens; examples of a band are inside it and drawn evenly from it."""

import pytest
import torch

from mechlab.metrics.feature_bands import quantile_edges, slots_in_bands
from mechlab.metrics.histograms import Histograms

SHAPES = {
    "exponential": lambda x: -x.log(),
    "even": lambda x: x * 7,
    "few levels": lambda x: (x * 3).ceil(),
    "heavy": lambda x: x.pow(-0.7),
}


def histograms_of(values: torch.Tensor, n_bins: int = 64) -> Histograms:
    histograms = Histograms(1, 2, n_bins)
    both = torch.stack([values, torch.zeros_like(values)], dim=1)
    histograms.update(both, torch.zeros(1, len(values), dtype=torch.long))
    return histograms


@pytest.mark.parametrize("shape", ["exponential", "even"])
def test_a_fifth_of_the_tokens_lies_in_each_of_five_bands(shape):
    values = SHAPES[shape](torch.rand(20_000, generator=torch.Generator().manual_seed(0)))
    edges = quantile_edges(histograms_of(values, 1 << 10), torch.stack([values.max(), torch.zeros(())]), 5)
    shares = torch.histogram(values.double(), edges[0]).hist / len(values)
    assert (shares - 0.2).abs().max() < 0.01


@pytest.mark.parametrize("shape", SHAPES)
def test_an_edge_is_no_further_than_a_bin_from_the_quantile(shape):
    values = SHAPES[shape](torch.rand(3_000, generator=torch.Generator().manual_seed(1)) * 0.99 + 0.01)
    histograms = histograms_of(values)
    edges = quantile_edges(histograms, torch.stack([values.max(), torch.zeros(())]), 5)[0]
    exact = values.double().quantile(torch.linspace(0, 1, 6, dtype=torch.float64))
    assert (edges[1:] - exact[1:]).abs().max() <= histograms.top[0] / 64 + 1e-6
    assert edges[0] == 0 and edges[-1] == values.max() and (edges.diff() >= 0).all()


def test_a_feature_that_never_fires_has_edges_of_0():
    values = torch.rand(50)
    assert quantile_edges(histograms_of(values), torch.tensor([values.max(), 0.0]), 4)[1].tolist() == [0] * 5


def test_slots_are_the_first_of_each_band():
    edges = torch.tensor([[0.0, 1.0, 2.0, 4.0]], dtype=torch.float64)
    values = torch.tensor([[3.0, 0.5, 1.0, 0.0, 1.5, 2.0, 0.2, 4.0, 2.5]])
    assert slots_in_bands(values, edges, 2).tolist() == [[[1, 2], [4, 5], [0, 7]]]
    assert slots_in_bands(values, edges, 4)[0, 1].tolist() == [4, 5, -1, -1]
