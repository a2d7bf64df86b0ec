"""Activations with a known cause, small dictionaries to train on them, and a config of a few steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.source import Batch, TensorSource

D_IN, D_SAE, BATCH = 20, 96, 100
QUICK = TrainConfig(n_tokens=20 * BATCH, batch_size=BATCH, lr=3e-3, dead_after_tokens=3 * BATCH, log_every_steps=5)


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


def make_dictionary(kind: str, **options: Any) -> Dictionary:
    """Return a fresh small dictionary."""
    config = KINDS[kind].Config
    few = {name: value for name, value in {"k": 3, "n_layers": 2}.items() if name in config.model_fields}
    return KINDS[kind](build(config, {"d_in": D_IN, "d_sae": D_SAE, **few, **options}))


@pytest.fixture
def make() -> Callable[..., Dictionary]:
    return make_dictionary


@pytest.fixture
def quick() -> Callable[..., TrainConfig]:
    """Return the config of a few steps, with changes."""
    return lambda **changes: QUICK.model_copy(update=changes)


class Spoilt:
    """Good rows, then rows multiplied by `factor`."""

    def __init__(self, rows: Tensor, bad_from: int, factor: float) -> None:
        self.inner, self.bad_from, self.factor, self.served = TensorSource(rows, BATCH), bad_from, factor, 0

    def next(self) -> Batch:
        self.served += 1
        batch = self.inner.next()
        assert isinstance(batch, Tensor)
        return batch if self.served <= self.bad_from else batch * self.factor

    def state(self) -> dict[str, Tensor]:
        return self.inner.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.inner.restore(state)


@pytest.fixture
def spoilt(planted: Planted) -> Callable[[int, float], Spoilt]:
    return lambda bad_from, factor: Spoilt(planted.rows, bad_from, factor)
