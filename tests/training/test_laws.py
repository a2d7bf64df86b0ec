"""What training does for every kind; a kind is tested by being registered."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.loop import Watcher, fit
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState, unprefixed

pytestmark = pytest.mark.parametrize("kind", KINDS)
BATCH, D_SAE = 100, 96
Make = Callable[..., Dictionary]
Quick = Callable[..., TrainConfig]
L1: dict[str, object] = {"l1_coefficient": 0.8, "l1_warm_up_steps": 100}
JUMP: dict[str, object] = {"l0_coefficient": 0.4, "l0_warm_up_steps": 100, "jumprelu_init_threshold": 0.1}
OPTIONS: dict[str, dict[str, object]] = {
    "relu": L1,
    "jumprelu": JUMP,
    "crosscoder": L1,
    "crosslayer_transcoder": JUMP,
}


def refuses_a_skip(kind: str) -> bool:
    """Return whether the kind has no skip and says so."""
    try:
        build(KINDS[kind].Config, {"d_in": 12, "d_sae": 40, "d_out": 12, "skip": True})
    except ConfigError as error:
        assert "has no skip" in str(error)
        return True
    return False


def recovered(dictionary: Dictionary, directions: Tensor) -> Tensor:
    """Return for each planted direction its best cosine with a feature."""
    found = torch.nn.functional.normalize(dictionary.W_dec.detach(), dim=-1)
    return (directions @ found.T).max(-1).values


def test_training_lowers_the_loss_and_a_log_line_says_all(kind: str, planted: Any, make: Make, quick: Quick) -> None:
    lines: list[dict[str, float]] = []
    config = quick(n_tokens=60 * BATCH)
    result = fit(make(kind), TensorSource(planted.rows, BATCH), config, Watcher(log=lines.append))
    assert [line["step"] for line in lines] == list(range(5, 61, 5))
    assert lines[-1]["tokens"] == result.n_tokens == 6_000
    assert {"lr", "loss", "loss_mse", "l0", "explained_variance", "dead_share"} <= set(lines[0])
    assert lines[-1]["loss_mse"] < 0.8 * lines[0]["loss_mse"]
    assert lines[-1]["explained_variance"] > lines[0]["explained_variance"]
    assert result.last == lines[-1]


@pytest.mark.parametrize("with_target", [False, True])
def test_the_trained_dictionary_takes_raw_activations(
    kind: str, with_target: bool, planted: Any, make: Make, quick: Quick
) -> None:
    targets = (
        planted.strengths @ torch.randn(24, 10, generator=torch.Generator().manual_seed(0)) if with_target else None
    )
    dictionary = make(kind, d_out=10 if with_target else None)
    source = TensorSource(planted.rows, BATCH, targets=targets)
    fit(dictionary, source, quick(n_tokens=120 * BATCH, lr=1e-2))
    wanted = planted.rows if targets is None else targets
    with torch.no_grad():
        error = (dictionary(planted.rows) - wanted).square().sum()
    assert error < 0.6 * (wanted - wanted.mean(0)).square().sum()


def test_the_same_seed_gives_the_same_bytes(kind: str, planted: Any, make: Make, quick: Quick) -> None:
    one, two = make(kind), make(kind)
    for dictionary in (one, two):
        fit(dictionary, TensorSource(planted.rows, BATCH, seed=1), quick())
    other = make(kind)
    fit(other, TensorSource(planted.rows, BATCH, seed=2), quick())
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name
    assert not torch.equal(one.encoder, other.encoder)


@pytest.mark.parametrize("at", [7, 14, 20])
def test_a_resumed_run_ends_in_the_same_bytes(kind: str, at: int, planted: Any, make: Make, quick: Quick) -> None:
    config = quick(checkpoint_every_steps=7, decoder="unit" if at == 7 else "free")
    states: dict[int, TrainingState] = {}
    whole = make(kind)
    uninterrupted = fit(whole, TensorSource(planted.rows, BATCH), config, Watcher(save=states.__setitem__))
    assert sorted(states) == [7, 14, 20]
    resumed = make(kind)
    with torch.no_grad():
        for parameter in resumed.parameters():
            parameter.add_(1.0)  # what it was before does not matter
    result = fit(resumed, TensorSource(planted.rows, BATCH), config, resume=states[at])
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert (result.n_steps, result.n_tokens) == (uninterrupted.n_steps, uninterrupted.n_tokens)
    assert torch.equal(result.dead, uninterrupted.dead)


def test_a_unit_decoder_keeps_every_direction_at_norm_one(kind: str, planted: Any, make: Make, quick: Quick) -> None:
    config = quick(decoder="unit", checkpoint_every_steps=10)
    states: dict[int, TrainingState] = {}
    dictionary = make(kind)
    fit(dictionary, TensorSource(planted.rows, BATCH), config, Watcher(save=states.__setitem__))
    assert len(states) == 2
    for state in states.values():
        dictionary.load_state_dict(unprefixed("dictionary", state.tensors))
        torch.testing.assert_close(dictionary.decoder_norms().detach(), torch.ones(D_SAE))


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


def test_a_transcoder_finds_the_directions_planted_in_its_target(kind: str, planted: Any) -> None:
    """The target has directions of its own, which the input's do not look like."""
    config = KINDS[kind].Config
    few = {"k": 2} if "k" in config.model_fields else {}
    there = torch.nn.functional.normalize(torch.randn(24, 16, generator=torch.Generator().manual_seed(8)), dim=-1)
    dictionary = KINDS[kind](build(config, {"d_in": 20, "d_sae": 64, "d_out": 16, **few, **OPTIONS.get(kind, {})}))
    before = recovered(dictionary, there)
    train = TrainConfig(n_tokens=150_000, batch_size=250, lr=1e-2, dead_after_tokens=15_000)
    targets = planted.strengths @ there * 3.0 - 1.0
    result = fit(dictionary, TensorSource(planted.rows, 250, targets=targets), train)
    assert before.mean() < 0.7
    assert recovered(dictionary, there).mean() > 0.95
    assert result.last["l0"] < 8


def test_a_skip_learns_what_is_linear_and_codes_cannot_say(kind: str) -> None:
    """Dense inputs have no sparse code, so a linear target is the skip's to learn.

    Kinds that always keep some codes, at no price, let them say a part of it.
    """
    if refuses_a_skip(kind):
        return
    config = KINDS[kind].Config
    few = {"k": 1} if "k" in config.model_fields else {}
    draw = torch.Generator().manual_seed(9)
    rows, linear = torch.randn(20_000, 20, generator=draw), torch.randn(10, 20, generator=draw)
    targets = rows @ linear.T + 2.0
    sizes = {"d_in": 20, "d_sae": 8, "d_out": 10, **few, **OPTIONS.get(kind, {})}
    train = TrainConfig(n_tokens=75_000, batch_size=250, lr=1e-2)
    explained = {}
    for skip in (False, True):
        dictionary = KINDS[kind](build(config, {**sizes, "skip": skip}))
        explained[skip] = fit(dictionary, TensorSource(rows, 250, targets=targets), train).last["explained_variance"]
    assert dictionary.W_skip is not None
    assert (dictionary.W_skip - linear).norm() < 0.2 * linear.norm()
    assert explained[True] > 0.99
    assert explained[False] < 0.9
