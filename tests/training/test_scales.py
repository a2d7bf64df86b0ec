"""Layers with vectors of very different lengths are learnt alike, and what was learnt is exact after folding."""

from itertools import pairwise

import pytest
import torch

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.layered import Layered
from mechlab.training.config import TrainConfig
from mechlab.training.loop import Watcher, fit
from mechlab.training.scales import Scales, scaled
from mechlab.training.source import TensorSource

LAYERED = [kind for kind in KINDS if issubclass(KINDS[kind], Layered)]
LENGTHS = torch.tensor([0.05, 1.0, 40.0])


def made(kind):
    config = KINDS[kind].Config
    few = {"k": 2} if "k" in config.model_fields else {}
    return KINDS[kind](build(config, {"d_in": 24, "d_out": 18, "d_sae": 60, "n_layers": 3, **few}), seed=1)


def vectors():
    """Return inputs and targets of three layers of very different lengths."""
    draw = torch.Generator().manual_seed(0)
    strengths = torch.rand(4000, 30, generator=draw) * (torch.rand(4000, 30, generator=draw) < 0.1)
    read, write = torch.randn(30, 24, generator=draw), torch.randn(30, 18, generator=draw)
    return strengths @ read * LENGTHS.repeat_interleave(8), strengths @ write * LENGTHS.flip(0).repeat_interleave(6)


def by_hand(rows, factors):
    parts = [part * factor for part, factor in zip(rows.chunk(3, 1), factors, strict=True)]
    return torch.cat(parts, dim=1)


def config(**options):
    return TrainConfig(**{"n_tokens": 40 * 200, "batch_size": 200, "lr": 3e-3, "log_every_steps": 10, **options})


@pytest.mark.parametrize("kind", LAYERED)
def test_training_is_that_on_layers_scaled_beforehand(kind):
    inputs, targets = vectors()
    whole = fit_on(kind, inputs, targets, config())
    order = TensorSource(inputs, 200, targets=targets)
    first = order.next()
    factors = [[part.shape[1] ** 0.5 / part.norm(dim=1).mean().item() for part in rows.chunk(3, 1)] for rows in first]
    scaled_before = fit_on(
        kind, by_hand(inputs, factors[0]), by_hand(targets, factors[1]), config(normalization="none")
    )
    with torch.no_grad():
        expected = by_hand(scaled_before(by_hand(inputs, factors[0])), [1 / factor for factor in factors[1]])
        found = whole(inputs)
    for layer, length in enumerate(LENGTHS.flip(0)):
        part = slice(6 * layer, 6 * layer + 6)
        torch.testing.assert_close(found[:, part] / length, expected[:, part] / length, rtol=1e-3, atol=2e-3)


def fit_on(kind, inputs, targets, how, watcher=None, resume=None):
    dictionary = made(kind)
    fit(dictionary, TensorSource(inputs, 200, targets=targets), how, watcher, resume)
    return dictionary


@pytest.mark.parametrize("kind", LAYERED)
def test_a_resumed_run_has_every_layers_scale_and_ends_in_the_same_bytes(kind):
    inputs, targets = vectors()
    states = {}
    how = config(n_tokens=12 * 200, checkpoint_every_steps=5)
    whole = fit_on(kind, inputs, targets, how, Watcher(save=states.__setitem__))
    numbers = states[5].numbers
    assert {f"{end}_scale.{layer}" for end in ("input", "target") for layer in range(3)} <= numbers.keys()
    assert all(early > 2 * late for early, late in pairwise(numbers[f"input_scale.{layer}"] for layer in range(3)))
    resumed = fit_on(kind, inputs, targets, how, resume=states[5])
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert whole.layer_units.tolist() == pytest.approx([numbers[f"target_scale.{layer}"] for layer in range(3)])


def test_small_layers_are_learnt_as_well_as_large_ones():
    inputs, targets = vectors()
    found = fit_on("topk_crosscoder", inputs, targets, config(n_tokens=300 * 200, lr=1e-2))
    with torch.no_grad():
        error = (found(inputs) - targets).square().unflatten(1, (3, 6)).sum((0, 2))
    explained = 1 - error / (targets - targets.mean(0)).square().unflatten(1, (3, 6)).sum((0, 2))
    assert explained.min() > 0.5 and explained.max() - explained.min() < 0.15, explained


def test_scales_are_stored_by_name_and_one_is_a_plain_factor():
    one, three = Scales((2.0,), (3.0,)), Scales((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert one.numbers() == {"input_scale": 2.0, "target_scale": 3.0}
    assert Scales.from_numbers(one.numbers(), 1) == one
    assert Scales.from_numbers(three.numbers(), 3) == three
    rows = torch.randn(4, 6)
    assert torch.equal(scaled(rows, (2.0,)), rows * 2.0)
    torch.testing.assert_close(scaled(rows, three.inputs), by_hand(rows, three.inputs))
