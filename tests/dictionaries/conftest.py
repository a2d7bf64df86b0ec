"""Dictionaries that look trained: every parameter away from its start, decoder norms far from one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary

D_IN, D_SAE = 12, 40
FEW = {"k": 5, "n_layers": 2}


def worn(kind: str, **options: Any) -> Dictionary:
    """Return a dictionary of the kind with random parameters, as after training."""
    config = KINDS[kind].Config
    few = {name: value for name, value in FEW.items() if name in config.model_fields}
    sizes = {"d_in": D_IN, "d_sae": D_SAE, **few}
    dictionary = KINDS[kind](build(config, {**sizes, **options}), seed=1)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in dictionary.parameters():
            parameter.add_(0.3 * torch.rand(parameter.shape, generator=draw))
        dictionary.divide_directions(1 / (torch.rand(D_SAE, generator=draw) * 2 + 0.3))
        for buffer in dictionary.buffers():
            buffer.add_(torch.rand(buffer.shape, generator=draw, dtype=buffer.dtype) * 0.5)
    return dictionary


@pytest.fixture(name="worn")
def _worn() -> Callable[..., Dictionary]:
    return worn


@pytest.fixture
def vectors() -> torch.Tensor:
    return 2 * torch.randn(64, D_IN, generator=torch.Generator().manual_seed(7))
