"""A checkpoint is a copy, and is only handed over when its parameters are known to be good."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.errors import TrainingDiverged
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.loop import Watcher, fit
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState

Make = Callable[..., Dictionary]
Quick = Callable[..., TrainConfig]


def test_a_saved_state_does_not_change_as_training_goes_on(planted: Any, make: Make, quick: Quick) -> None:
    states: dict[int, TrainingState] = {}
    copies: dict[int, dict[str, Tensor]] = {}

    def save(step: int, state: TrainingState) -> None:
        states[step] = state
        copies[step] = {name: value.clone() for name, value in state.tensors.items()}

    fit(make("topk"), TensorSource(planted.rows, 100), quick(checkpoint_every_steps=7), Watcher(save=save))
    for step, state in states.items():
        assert all(torch.equal(value, copies[step][name]) for name, value in state.tensors.items())
        assert all(value.is_contiguous() for value in state.tensors.values())
        assert state.numbers["step"] == step


def test_a_checkpoint_whose_parameters_explode_at_the_next_step_is_never_saved(
    make: Make, quick: Quick, spoilt: Any
) -> None:
    states: dict[int, TrainingState] = {}
    config = quick(checkpoint_every_steps=4)
    with pytest.raises(TrainingDiverged, match="checkpoint 4 is intact"):
        fit(make("topk"), spoilt(8, 1e3), config, Watcher(save=states.__setitem__))
    assert sorted(states) == [4]
