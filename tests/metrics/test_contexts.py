"""Contexts are the strongest activations and a fair draw from every band of strength."""

import torch

from mechlab.metrics.contexts import band_edges, bounds, drawn_from, strongest


def test_the_strongest_activations_come_one_per_row_and_in_order():
    values = torch.zeros(4, 5)
    values[0, 1], values[0, 2], values[2, 4], values[3, 0] = 9, 8, 7, 10
    assert strongest(values, 10).tolist() == [[3, 0], [0, 1], [2, 4]]
    assert strongest(values, 1).tolist() == [[3, 0]]


def test_bands_hold_equally_many_activations():
    values = torch.rand(50, 20, generator=torch.Generator().manual_seed(0)).pow(3)
    values[values < 0.1] = 0
    edges = band_edges(values, 4)
    positive = values[values > 0]
    counts = torch.histogram(positive.double(), torch.tensor(edges, dtype=torch.float64)).hist
    assert len(edges) == 5 and edges[0] == positive.min() and edges[-1] == positive.max()
    assert (counts - len(positive) / 4).abs().max() <= 1


def test_a_silent_feature_has_no_bands():
    assert band_edges(torch.zeros(3, 3), 4) == []


def test_examples_are_drawn_from_inside_at_most_one_per_row():
    inside = torch.zeros(6, 4, dtype=torch.bool)
    inside[[0, 2, 5]] = True
    draw = torch.Generator().manual_seed(0)
    found = drawn_from(inside, 10, draw)
    assert sorted(found[:, 0].tolist()) == [0, 2, 5]
    assert len(drawn_from(inside, 2, draw)) == 2
    assert len(drawn_from(torch.zeros(2, 2, dtype=torch.bool), 2, draw)) == 0


def test_every_token_inside_is_drawn_about_equally_often():
    inside = torch.ones(5, 3, dtype=torch.bool)
    draw, seen = torch.Generator().manual_seed(1), torch.zeros(5, 3)
    for _ in range(3000):
        row, position = drawn_from(inside, 1, draw)[0]
        seen[row, position] += 1
    assert (seen / 200 - 1).abs().max() < 0.3


def test_a_window_stays_within_its_row():
    assert bounds(5, 20, 3, 2) == (2, 8)
    assert bounds(1, 20, 3, 2) == (0, 4)
    assert bounds(19, 20, 3, 2) == (16, 20)
