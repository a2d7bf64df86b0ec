"""Activations with a known cause: sparse sums of planted directions."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Planted:
    """Rows, the unit directions they are made of, and how strongly each row uses each direction."""

    rows: Tensor
    directions: Tensor
    strengths: Tensor


def plant(n_rows: int, n_features: int, d_in: int, active: int, seed: int = 0) -> Planted:
    """Return rows in which `active` of `n_features` directions are on, on average, around a mean far from zero."""
    draw = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(n_features, d_in, generator=draw), dim=-1)
    on = torch.rand(n_rows, n_features, generator=draw) < active / n_features
    strengths = on * (torch.rand(n_rows, n_features, generator=draw) + 1.0)
    return Planted(strengths @ directions * 7.0 + 3.0, directions, strengths)


@pytest.fixture(scope="session")
def planted() -> Planted:
    return plant(n_rows=20_000, n_features=24, d_in=20, active=2)
