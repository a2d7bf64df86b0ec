"""The one loop: what it logs, counts, keeps, folds and refuses, for every kind."""

import dataclasses
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.errors import ArtifactError, TrainingDiverged, UsageError
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.loop import Watcher, fit
from mechlab.training.source import Batch, TensorSource
from mechlab.training.state import TrainingState

D_IN, D_SAE, BATCH = 20, 96, 100
QUICK = TrainConfig(n_tokens=20 * BATCH, batch_size=BATCH, lr=3e-3, dead_after_tokens=3 * BATCH, log_every_steps=5)


def make(kind: str, **options: Any) -> Dictionary:
    config = KINDS[kind].Config
    few = {"k": 3} if "k" in config.model_fields else {}
    return KINDS[kind](build(config, {"d_in": D_IN, "d_sae": D_SAE, **few, **options}))


def varied(config: TrainConfig, **changes: Any) -> TrainConfig:
    return config.model_copy(update=changes)


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_loss_and_a_log_line_says_all(kind: str, planted: Any) -> None:
    lines: list[dict[str, float]] = []
    config = varied(QUICK, n_tokens=60 * BATCH)
    result = fit(make(kind), TensorSource(planted.rows, BATCH), config, Watcher(log=lines.append))
    assert [line["step"] for line in lines] == list(range(5, 61, 5))
    assert lines[-1]["tokens"] == result.n_tokens == 6_000
    assert {"lr", "loss", "loss_mse", "l0", "explained_variance", "dead_share"} <= set(lines[0])
    assert lines[-1]["loss_mse"] < 0.8 * lines[0]["loss_mse"]
    assert lines[-1]["explained_variance"] > lines[0]["explained_variance"]
    assert result.last == lines[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_target", [False, True])
def test_the_trained_dictionary_takes_raw_activations(kind: str, with_target: bool, planted: Any) -> None:
    targets = (
        planted.strengths @ torch.randn(24, 10, generator=torch.Generator().manual_seed(0)) if with_target else None
    )
    dictionary = make(kind, d_out=10 if with_target else None)
    source = TensorSource(planted.rows, BATCH, targets=targets)
    fit(dictionary, source, varied(QUICK, n_tokens=120 * BATCH, lr=1e-2))
    wanted = planted.rows if targets is None else targets
    with torch.no_grad():
        error = (dictionary(planted.rows) - wanted).square().sum()
    assert error < 0.6 * (wanted - wanted.mean(0)).square().sum()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(kind: str, planted: Any) -> None:
    one, two = make(kind), make(kind)
    for dictionary in (one, two):
        fit(dictionary, TensorSource(planted.rows, BATCH, seed=1), QUICK)
    other = make(kind)
    fit(other, TensorSource(planted.rows, BATCH, seed=2), QUICK)
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name
    assert not torch.equal(one.encoder, other.encoder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [7, 14, 20])
def test_a_resumed_run_ends_in_the_same_bytes(kind: str, at: int, planted: Any) -> None:
    config = varied(QUICK, checkpoint_every_steps=7, decoder="unit" if at == 7 else "free")
    states: dict[int, TrainingState] = {}
    whole = make(kind)
    uninterrupted = fit(whole, TensorSource(planted.rows, BATCH), config, Watcher(save=states.__setitem__))
    assert sorted(states) == [7, 14, 20]
    resumed = make(kind)
    with torch.no_grad():
        resumed.W_dec.add_(1.0)  # what it was before does not matter
    result = fit(resumed, TensorSource(planted.rows, BATCH), config, resume=states[at])
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert (result.n_steps, result.n_tokens) == (uninterrupted.n_steps, uninterrupted.n_tokens)
    assert torch.equal(result.dead, uninterrupted.dead)


def test_a_saved_state_does_not_change_as_training_goes_on(planted: Any) -> None:
    states: dict[int, TrainingState] = {}
    copies: dict[int, dict[str, Tensor]] = {}

    def save(step: int, state: TrainingState) -> None:
        states[step] = state
        copies[step] = {name: value.clone() for name, value in state.tensors.items()}

    fit(make("topk"), TensorSource(planted.rows, BATCH), varied(QUICK, checkpoint_every_steps=7), Watcher(save=save))
    for step, state in states.items():
        assert all(torch.equal(value, copies[step][name]) for name, value in state.tensors.items())
        assert all(value.is_contiguous() for value in state.tensors.values())
        assert state.numbers["step"] == step


def test_a_state_of_another_dictionary_is_refused(planted: Any) -> None:
    states: dict[int, TrainingState] = {}
    config = varied(QUICK, checkpoint_every_steps=20)
    fit(make("topk"), TensorSource(planted.rows, BATCH), config, Watcher(save=states.__setitem__))
    with pytest.raises(ArtifactError, match="checkpoint is of another dictionary"):
        fit(make("topk", d_sae=50), TensorSource(planted.rows, BATCH), config, resume=states[20])
    with pytest.raises(ArtifactError, match="checkpoint is of another dictionary"):
        fit(make("batchtopk"), TensorSource(planted.rows, BATCH), config, resume=states[20])


def test_features_that_do_not_fire_for_the_window_are_dead_and_firing_revives() -> None:
    dictionary = make("relu", l1_coefficient=0.0)
    with torch.no_grad():
        dictionary.b_enc[10:].fill_(-1e9)
    config = varied(QUICK, n_tokens=4 * BATCH, b_dec_init="zeros", log_every_steps=1, lr=1e-9)
    lines: list[dict[str, float]] = []
    rows = torch.randn(1000, D_IN, generator=torch.Generator().manual_seed(0))
    result = fit(dictionary, TensorSource(rows, BATCH), config, Watcher(log=lines.append))
    assert [line["dead_share"] for line in lines[:3]] == [0.0, 0.0, 0.0]
    assert lines[3]["dead_share"] == pytest.approx(86 / 96)
    assert result.dead.tolist() == [False] * 10 + [True] * 86


def test_dead_features_come_back_with_the_auxiliary_loss_and_not_without(planted: Any) -> None:
    shares = {}
    for coefficient in (0.0, 1.0):
        dictionary = make("topk", d_sae=40, aux_loss_coefficient=coefficient)
        with torch.no_grad():
            dictionary.b_enc[:34] = -5.0  # six living features cannot stand for 24 planted ones
        config = varied(QUICK, n_tokens=150 * BATCH, dead_after_tokens=20 * BATCH, lr=1e-2)
        shares[coefficient] = fit(dictionary, TensorSource(planted.rows, BATCH), config).last["dead_share"]
    assert shares[0.0] > 0.4
    assert shares[1.0] < shares[0.0] - 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_decoder_keeps_every_direction_at_norm_one(kind: str, planted: Any) -> None:
    config = varied(QUICK, decoder="unit", checkpoint_every_steps=10)
    states: dict[int, TrainingState] = {}
    fit(make(kind), TensorSource(planted.rows, BATCH), config, Watcher(save=states.__setitem__))
    for state in states.values():
        torch.testing.assert_close(state.tensors["dictionary/W_dec"].norm(dim=-1), torch.ones(D_SAE))


class Spoilt:
    """Good rows, then rows of another kind."""

    def __init__(self, rows: Tensor, bad_from: int, value: float) -> None:
        self.inner, self.bad_from, self.value, self.served = TensorSource(rows, BATCH), bad_from, value, 0

    def next(self) -> Batch:
        self.served += 1
        batch = self.inner.next()
        assert isinstance(batch, Tensor)
        return batch if self.served <= self.bad_from else batch * self.value

    def state(self) -> dict[str, Tensor]:
        return self.inner.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.inner.restore(state)


@pytest.mark.parametrize(("value", "what"), [(float("nan"), "loss nan"), (1e3, r"loss [\d.e+]+ \(its level was")])
def test_a_diverged_run_stops_with_the_step_the_remedy_and_the_last_good_checkpoint(
    value: float, what: str, planted: Any
) -> None:
    states: dict[int, TrainingState] = {}
    config = varied(QUICK, checkpoint_every_steps=4)
    with pytest.raises(TrainingDiverged, match=rf"at step 13: {what}.*checkpoint 12 is intact. Lower lr") as caught:
        fit(make("topk"), Spoilt(planted.rows, 13, value), config, Watcher(save=states.__setitem__))
    assert "\n" not in str(caught.value)
    assert sorted(states) == [4, 8, 12]
    assert all(torch.isfinite(tensor).all() for state in states.values() for tensor in state.tensors.values())


def test_a_checkpoint_whose_parameters_explode_at_the_next_step_is_never_saved(planted: Any) -> None:
    states: dict[int, TrainingState] = {}
    config = varied(QUICK, checkpoint_every_steps=4)
    with pytest.raises(TrainingDiverged, match="checkpoint 4 is intact"):
        fit(make("topk"), Spoilt(planted.rows, 8, 1e3), config, Watcher(save=states.__setitem__))
    assert sorted(states) == [4]


def test_a_learning_rate_that_explodes_is_caught(planted: Any) -> None:
    config = varied(QUICK, lr=1e4, lr_warmup_fraction=0.0)
    with pytest.raises(TrainingDiverged, match="no checkpoint was written"):
        fit(make("relu"), TensorSource(planted.rows, BATCH), config)


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


def test_a_source_that_runs_out_is_named(planted: Any) -> None:
    with pytest.raises(UsageError, match=r"activations ran out: 'after 2 steps'\. 20 steps were asked for"):
        fit(make("topk"), Short(planted.rows), QUICK)


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


def test_the_bar_ends_at_the_end_also_after_a_resume(planted: Any) -> None:
    states: dict[int, TrainingState] = {}
    bar = Bar()
    watcher = Watcher(progress=bar, save=states.__setitem__)
    config = varied(QUICK, checkpoint_every_steps=7)
    fit(make("topk"), TensorSource(planted.rows, BATCH), config, watcher)
    assert bar.done == bar.total == 20 * BATCH
    assert set(bar.shown) == {"loss", "l0"}
    again = Bar()
    fit(make("topk"), TensorSource(planted.rows, BATCH), config, Watcher(progress=again), resume=states[14])
    assert again.done == again.total
