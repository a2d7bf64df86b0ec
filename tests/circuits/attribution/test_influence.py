"""Influence is the sum of all powers of the matrix of shares; nothing is lost on the way down."""

import pytest
import torch

from mechlab.circuits.attribution.influence import Shares, TracedShares, influence
from mechlab.circuits.attribution.rows import Rows

LAYERS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
N_REST = 5


def random_rows(n: int, n_columns: int, seed: int) -> Rows:
    draw = torch.Generator().manual_seed(seed)
    effects = torch.randn(n, n_columns, generator=draw, dtype=torch.float64)
    return Rows(effects, torch.randn(n, generator=draw, dtype=torch.float64))


@pytest.fixture
def rows() -> tuple[Rows, Rows]:
    """Return rows of two targets and of all features; features take from earlier layers only."""
    n = len(LAYERS) + N_REST
    of_targets, of_features = random_rows(2, n, 0), random_rows(len(LAYERS), n, 1)
    of_features.effects[:, : len(LAYERS)] *= LAYERS[None] < LAYERS[:, None]
    return of_targets, of_features


def pieces(of_features: Rows, chosen: torch.Tensor) -> list[TracedShares]:
    own = [chosen[LAYERS[chosen] == layer] for layer in (1, 0, 2)]
    return [
        TracedShares(int(LAYERS[one[0]]), one, Shares.of(Rows(of_features.effects[one], of_features.bias[one])))
        for one in own
        if len(one)
    ]


def test_shares_of_a_row_and_its_bias_sum_to_one(rows):
    for one in rows:
        found = Shares.of(one)
        assert torch.allclose(found.sources.sum(-1) + found.bias, torch.ones_like(one.bias))
        assert (found.sources >= 0).all()
    nothing = Shares.of(Rows(torch.zeros(1, 3), torch.zeros(1)))
    assert not nothing.sources.any() and not nothing.bias.any()


@pytest.mark.parametrize("chosen", [range(8), [7, 3, 1], [5], []])
def test_it_is_the_sum_of_all_powers(rows, chosen):
    of_targets, of_features = rows
    weights, traced = torch.tensor([0.3, 0.7], dtype=torch.float64), torch.tensor(list(chosen), dtype=torch.long)
    n = of_targets.effects.shape[1]
    matrix = torch.zeros(n, n, dtype=torch.float64)
    matrix[traced] = Shares.of(of_features).sources[traced]
    step, total = weights @ Shares.of(of_targets).sources, torch.zeros(n, dtype=torch.float64)
    while step.any():
        total, step = total + step, step @ matrix
    found = influence(Shares.of(of_targets), weights, pieces(of_features, traced))
    assert torch.allclose(found.columns, total)
    ends = torch.ones(n, dtype=torch.bool)
    ends[traced] = False
    assert found.bias + float(found.columns[ends].sum()) == pytest.approx(1)
