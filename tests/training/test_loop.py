"""The one loop: what it logs, counts, keeps, folds and refuses, for every kind."""

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError, TrainingDiverged, UsageError
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.course import Course
from mechlab.training.loop import Watcher, fit, fit_together
from mechlab.training.run import TrainingRun
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState

BATCH = 100
Make = Callable[..., Dictionary]
Quick = Callable[..., TrainConfig]


def test_a_state_of_another_dictionary_is_refused(planted: Any, make: Make, quick: Quick) -> None:
    states: dict[int, TrainingState] = {}
    config = quick(checkpoint_every_steps=20)
    fit(make("topk"), TensorSource(planted.rows, BATCH), config, Watcher(save=states.__setitem__))
    with pytest.raises(ArtifactError, match="checkpoint is of another dictionary"):
        fit(make("topk", d_sae=50), TensorSource(planted.rows, BATCH), config, resume=states[20])
    with pytest.raises(ArtifactError, match="checkpoint is of another dictionary"):
        fit(make("batchtopk"), TensorSource(planted.rows, BATCH), config, resume=states[20])


def test_features_that_do_not_fire_for_the_window_are_dead_and_firing_revives(make: Make, quick: Quick) -> None:
    dictionary = make("relu", l1_coefficient=0.0)
    with torch.no_grad():
        dictionary.b_enc[10:].fill_(-1e9)
    config = quick(n_tokens=4 * BATCH, b_dec_init="zeros", log_every_steps=1, lr=1e-9)
    lines: list[dict[str, float]] = []
    rows = torch.randn(1000, 20, generator=torch.Generator().manual_seed(0))
    result = fit(dictionary, TensorSource(rows, BATCH), config, Watcher(log=lines.append))
    assert [line["dead_share"] for line in lines[:3]] == [0.0, 0.0, 0.0]
    assert lines[3]["dead_share"] == pytest.approx(86 / 96)
    assert result.dead.tolist() == [False] * 10 + [True] * 86


def test_dead_features_come_back_with_the_auxiliary_loss_and_not_without(
    planted: Any, make: Make, quick: Quick
) -> None:
    shares = {}
    for coefficient in (0.0, 1.0):
        dictionary = make("topk", d_sae=40, aux_loss_coefficient=coefficient)
        with torch.no_grad():
            dictionary.b_enc[:34] = -5.0  # six living features cannot stand for 24 planted ones
        config = quick(n_tokens=150 * BATCH, dead_after_tokens=20 * BATCH, lr=1e-2)
        shares[coefficient] = fit(dictionary, TensorSource(planted.rows, BATCH), config).last["dead_share"]
    assert shares[0.0] > 0.4
    assert shares[1.0] < shares[0.0] - 0.2


class Short:
    """Two batches and no more."""

    def __init__(self, rows: Tensor) -> None:
        self.left = iter(rows[: 2 * BATCH].split(BATCH))

    def next(self) -> Tensor:
        return next(self.left)

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        raise AssertionError


def test_a_source_that_runs_out_is_named(planted: Any, make: Make, quick: Quick) -> None:
    with pytest.raises(UsageError, match=r"activations ran out: 'after 2 steps'\. 20 steps were asked for"):
        fit(make("topk"), Short(planted.rows), quick())


@dataclasses.dataclass
class Bar:
    """A progress bar that remembers."""

    done: float = 0.0
    total: float = 0.0
    shown: dict[str, float] = dataclasses.field(default_factory=dict)

    @contextmanager
    def task(self, name: str, total: float, unit: str) -> Any:
        self.total = total
        yield self

    def advance(self, amount: float, **numbers: float) -> None:
        self.done += amount
        self.shown.update(numbers)

    def note(self, line: str) -> None:
        raise AssertionError(line)

    def stream(self, text: str) -> None:
        raise AssertionError(text)


def test_the_bar_ends_at_the_end_also_after_a_resume(planted: Any, make: Make, quick: Quick) -> None:
    states: dict[int, TrainingState] = {}
    bar = Bar()
    watcher = Watcher(progress=bar, save=states.__setitem__)
    config = quick(checkpoint_every_steps=7)
    fit(make("topk"), TensorSource(planted.rows, BATCH), config, watcher)
    assert bar.done == bar.total == 20 * BATCH
    assert set(bar.shown) == {"loss", "l0"}
    again = Bar()
    fit(make("topk"), TensorSource(planted.rows, BATCH), config, Watcher(progress=again), resume=states[14])
    assert again.done == again.total


def test_together_each_becomes_what_it_becomes_alone(planted: Any, make: Make, quick: Quick) -> None:
    kinds = ("topk", "relu", "batchtopk")
    together, alone = [make(kind) for kind in kinds], [make(kind) for kind in kinds]
    lines: dict[str, list[Any]] = {kind: [] for kind in kinds}
    courses = [
        Course(TrainingRun(one, TensorSource(planted.rows, BATCH), quick()), Watcher(log=lines[kind].append))
        for kind, one in zip(kinds, together, strict=True)
    ]
    bar = Bar()
    results = fit_together(courses, bar)
    assert bar.done == bar.total == 3 * 20 * BATCH
    for kind, one, other, result in zip(kinds, together, alone, results, strict=True):
        expected: list[Any] = []
        own = fit(other, TensorSource(planted.rows, BATCH), quick(), Watcher(log=expected.append))
        assert lines[kind] == expected
        assert (result.n_steps, result.last) == (own.n_steps, own.last)
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_one_that_diverges_is_left_behind_and_the_others_go_on(
    planted: Any, make: Make, quick: Quick, spoilt: Callable[[int, float], Any]
) -> None:
    sources = (spoilt(10, 1e6), TensorSource(planted.rows, BATCH))
    courses = [Course(TrainingRun(make("topk"), source, quick()), Watcher()) for source in sources]
    lost, kept = fit_together(courses)
    assert isinstance(lost, TrainingDiverged)
    assert not isinstance(kept, TrainingDiverged) and kept.n_steps == 20
