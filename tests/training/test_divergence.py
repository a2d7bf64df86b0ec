"""A loss that is no longer a loss stops the run and says what to do."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from mechlab.core.errors import TrainingDiverged
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.divergence import LossGuard
from mechlab.training.loop import Watcher, fit
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState

Make = Callable[..., Dictionary]
Quick = Callable[..., TrainConfig]


@pytest.mark.parametrize(("value", "what"), [(float("nan"), "loss nan"), (1e3, r"loss [\d.e+]+ \(its level was")])
def test_a_diverged_run_stops_with_the_step_the_remedy_and_the_last_good_checkpoint(
    value: float, what: str, make: Make, quick: Quick, spoilt: Any
) -> None:
    states: dict[int, TrainingState] = {}
    config = quick(checkpoint_every_steps=4)
    with pytest.raises(TrainingDiverged, match=rf"at step 13: {what}.*checkpoint 12 is intact. Lower lr") as caught:
        fit(make("topk"), spoilt(13, value), config, Watcher(save=states.__setitem__))
    assert "\n" not in str(caught.value)
    assert sorted(states) == [4, 8, 12]
    assert all(torch.isfinite(tensor).all() for state in states.values() for tensor in state.tensors.values())


def test_a_learning_rate_that_explodes_is_caught(planted: Any, make: Make, quick: Quick) -> None:
    config = quick(lr=1e4, lr_warmup_fraction=0.0)
    with pytest.raises(TrainingDiverged, match="no checkpoint was written"):
        fit(make("relu"), TensorSource(planted.rows, 100), config)


def test_a_gradient_that_overflows_is_caught_before_it_is_used(make: Make, quick: Quick) -> None:
    dictionary = make("relu")
    before = dictionary.W_dec.detach().clone()
    config = quick(normalization="none", b_dec_init="zeros")
    rows = 1e17 * torch.randn(1000, 20, generator=torch.Generator().manual_seed(0))
    with pytest.raises(TrainingDiverged, match="at step 0: gradient norm inf"):
        fit(dictionary, TensorSource(rows, 100), config)
    assert torch.equal(dictionary.W_dec, before)


class AtStep:
    """A run as far as a message about it goes."""

    step, lr = 3, 0.01
    last_checkpoint: int | None = None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1001.0])
def test_a_loss_far_above_its_level_or_no_number_is_refused(bad: float) -> None:
    guard = LossGuard(factor=10.0)
    guard.check_loss(100.0, AtStep())
    guard.check_loss(999.0, AtStep())
    assert guard.level == pytest.approx(0.99 * 100 + 0.01 * 999)
    guard = LossGuard(factor=10.0, level=100.0)
    with pytest.raises(TrainingDiverged, match=r"step 3: loss .* \(its level was 100\); no checkpoint was written"):
        guard.check_loss(bad, AtStep())


def test_the_first_loss_may_be_of_any_size() -> None:
    LossGuard(factor=10.0).check_loss(1e30, AtStep())
