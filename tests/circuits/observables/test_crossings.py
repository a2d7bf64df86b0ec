"""Points where MLPs are linearised: exact zeros along segments, and far cheaper than the published optimiser's."""

import time
from dataclasses import replace

import pytest
import torch
import transformers as hf
from oracles.published_crossing import published_crossing
from oracles.tiny_models import tiny
from scipy.optimize import brentq

from mechlab.circuits.observables.crossings import SegmentValues, crossing
from mechlab.circuits.observables.parts import parts_of
from mechlab.core.errors import UsageError
from mechlab.models.gelu import gelu_in_one_pass
from mechlab.models.huggingface import HuggingFaceModel


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parts(family, layer=1, normed=True):
    found = parts_of(HuggingFaceModel(tiny(family).double()))
    return found.mlp(layer), found.norm(f"ln2.{layer}") if normed else None


def apart(value, direction, low, high):
    """Return rows whose ends have values of two signs, made so by exchanging ends of several rows."""
    is_high = value(torch.cat([low, high])) @ direction > 0
    points = torch.cat([low, high])
    n = min(int(is_high.sum()), int((~is_high).sum()))
    return points[~is_high][:n], points[is_high][:n]


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama"])
@pytest.mark.parametrize("normed", [True, False])
def test_values_along_a_segment_are_the_mlps(family, normed):
    mlp, norm = parts(family, normed=normed)
    low, high, direction = drawn(3, 32), 0.3 * drawn(3, 32, seed=1), drawn(32, seed=2)
    t = torch.linspace(0, 1, 7, dtype=torch.float64).expand(3, -1)
    points = low[:, None] + t[..., None] * (high - low)[:, None]
    wanted = mlp(points if norm is None else norm(points)) @ direction
    assert torch.allclose(SegmentValues(mlp, norm, direction, (low, high))(t), wanted, atol=1e-11)


def test_a_gated_mlps_bias_is_in_its_linear_part():
    mlp, norm = parts("llama")
    mlp = replace(mlp, weights=replace(mlp.weights, b_in=drawn(48, seed=3)))
    low, high, direction = drawn(3, 32), drawn(3, 32, seed=1), drawn(32, seed=2)
    halves = torch.full((3, 1), 0.5, dtype=torch.float64)
    wanted = mlp(norm((low + high) / 2)) @ direction
    assert torch.allclose(SegmentValues(mlp, norm, direction, (low, high))(halves)[:, 0], wanted, atol=1e-11)


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama"])
@pytest.mark.parametrize("normed", [True, False])
def test_the_point_is_where_the_mlp_writes_nothing_along_the_direction(family, normed):
    mlp, norm = parts(family, normed=normed)
    read = mlp if norm is None else (lambda x: mlp(norm(x)))
    direction = drawn(32, seed=2)
    low, high = apart(read, direction, drawn(6, 32), drawn(6, 32, seed=1))
    assert len(low) >= 3
    found = crossing(mlp, norm, direction, (low, high))
    assert found.crosses.all() and (read(found.points) @ direction).abs().max() < 1e-11
    for row in range(len(low)):
        along = lambda t, row=row: float(read(low[row] + t * (high[row] - low[row])) @ direction)  # noqa: E731
        near = float(found.t[row])
        assert brentq(along, max(near - 1e-3, 0), min(near + 1e-3, 1), xtol=1e-14) == pytest.approx(near, abs=1e-11)


def test_without_a_change_of_sign_the_nearest_point_is_told():
    mlp, norm = parts("gpt2")
    direction = drawn(32, seed=2)
    _, high = apart(lambda x: mlp(norm(x)), direction, drawn(6, 32), drawn(6, 32, seed=1))
    ends = (high[:1], high[1:2])
    grid = torch.linspace(0, 1, 4001, dtype=torch.float64)[None]
    values = SegmentValues(mlp, norm, direction, ends)(grid)
    assert (values > 0).all()
    found = crossing(mlp, norm, direction, ends)
    assert not found.crosses.any() and found.values.item() <= float(values.min()) + 1e-12
    assert found.values.item() == pytest.approx(float(values.min()), rel=1e-5)


def test_segments_without_two_ends_are_refused():
    mlp, norm = parts("gpt2")
    point = drawn(1, 32)
    for other in (point, torch.full_like(point, torch.nan)):
        with pytest.raises(UsageError, match="segment has no two ends"):
            crossing(mlp, norm, drawn(32), (point, other))


def a_wide_mlp():
    """Return an MLP of GPT-2's width at random, and points on both sides of a direction."""
    config = hf.GPT2Config(vocab_size=11, n_embd=768, n_layer=1, n_head=12, n_positions=8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hf_model = gelu_in_one_pass(hf.GPT2LMHeadModel(config).double().eval().requires_grad_(False))
    mlp = parts_of(HuggingFaceModel(hf_model)).mlp(0)
    direction = 5 * drawn(768, seed=2)
    low, high = apart(mlp, direction, drawn(8, 768), drawn(8, 768, seed=1))
    return mlp, hf_model.transformer.h[0].mlp, direction, low, high


def test_it_is_far_cheaper_than_the_published_optimiser_at_equal_accuracy():
    mlp, module, direction, low, high = a_wide_mlp()
    ends = (low[:4], high[:4])
    begin = time.process_time()
    theirs = [published_crossing(lambda x: module(x) @ direction, *pair) for pair in zip(*ends, strict=True)]
    their_time = time.process_time() - begin
    tolerance = min(abs(one.value) for one in theirs)
    assert max(abs(one.value) for one in theirs) < 1e-3
    own_times = []
    for _ in range(3):
        begin = time.process_time()
        ours = crossing(mlp, None, direction, ends, tolerance=tolerance)
        own_times.append(time.process_time() - begin)
    assert ours.crosses.all() and (module(ours.points) @ direction).abs().max() <= 1.01 * tolerance
    # Both ends of each segment go through the first matrix, and one direction for all through the second.
    own_evaluations = (2 * len(ours.t) + 1) / 2
    ratios = their_time / min(own_times), sum(one.n_evaluations for one in theirs) / own_evaluations
    print("times cheaper in CPU time {:.0f}, in evaluations {:.0f}".format(*ratios))
    assert ratios[0] > 60 and ratios[1] > 100
