"""A dictionary trained on planted directions finds them; one that was not trained does not."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.loop import fit
from mechlab.training.source import TensorSource

OPTIONS: dict[str, dict[str, object]] = {
    "relu": {"l1_coefficient": 0.8, "l1_warm_up_steps": 100},
    "jumprelu": {"l0_coefficient": 0.4, "l0_warm_up_steps": 100, "jumprelu_init_threshold": 0.1},
}


def recovered(dictionary: Dictionary, directions: Tensor) -> Tensor:
    """Return for each planted direction its best cosine with a feature."""
    found = torch.nn.functional.normalize(dictionary.W_dec.detach(), dim=-1)
    return (directions @ found.T).max(-1).values


@pytest.mark.parametrize("kind", KINDS)
def test_planted_directions_are_found_by_training_alone(kind: str, planted: Any) -> None:
    config = KINDS[kind].Config
    few = {"k": 2} if "k" in config.model_fields else {}
    dictionary = KINDS[kind](build(config, {"d_in": 20, "d_sae": 64, **few, **OPTIONS.get(kind, {})}))
    before = recovered(dictionary, planted.directions)
    train = TrainConfig(n_tokens=150_000, batch_size=250, lr=1e-2, dead_after_tokens=15_000)
    result = fit(dictionary, TensorSource(planted.rows, 250), train)
    after = recovered(dictionary, planted.directions)
    assert before.mean() < 0.65
    assert (before > 0.9).float().mean() < 0.05
    assert after.mean() > 0.95
    assert (after > 0.9).float().mean() > 0.9
    assert result.last["l0"] < 8
