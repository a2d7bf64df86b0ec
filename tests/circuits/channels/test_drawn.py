"""Drawn directions are of length one, lie where they may, and are spread as they are to be."""

import pytest
import torch
from circuits.channels.planted_head import planted_model
from oracles.tiny_models import tiny

from mechlab.circuits.channels.drawn import drawn_across, drawn_in_head, drawn_like, drawn_within
from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.processing import processed

CIRCUITS = head_circuits(processed(HuggingFaceModel(tiny("gpt2"))))
HEAD = (0, 1)


def test_directions_within_a_span_lie_in_it_and_everywhere_in_it():
    basis = torch.linalg.qr(torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    drawn = drawn_within(basis, 8000, torch_generator(0, "test"))
    assert torch.allclose(drawn @ basis @ basis.T, drawn)
    inside = drawn @ basis
    assert torch.allclose(inside.T @ inside / 8000, torch.eye(4, dtype=torch.float64) / 4, atol=0.01)
    assert inside.mean(0).abs().max() < 0.02


def test_drawn_directions_are_of_length_one_within_what_the_head_writes_and_even_there():
    circuits = head_circuits(planted_model()[0])
    drawn = drawn_in_head(circuits, (1, 2), 4000, torch_generator(0, "test"))
    basis = circuits.ov.write[1, 2]
    inside = drawn @ basis
    assert torch.allclose(drawn.norm(dim=1), torch.ones(4000, dtype=torch.float64))
    assert torch.allclose(inside.square().sum(1), torch.ones(4000, dtype=torch.float64))
    assert torch.allclose(inside.T @ inside / 4000, torch.eye(16, dtype=torch.float64) / 16, atol=0.006)


def test_drawn_directions_are_orthonormal_and_evenly_spread():
    many = torch.cat([drawn_across(CIRCUITS, HEAD, [0], seed) for seed in range(400)])
    assert torch.allclose(many.norm(dim=-1), torch.ones(400, dtype=torch.float64))
    others = CIRCUITS.ov.write[0, 1][:, 1:]
    shares = (many @ others).square().mean(0)
    assert torch.allclose(shares, torch.full_like(shares, 1 / len(shares)), atol=0.04)
    pair = drawn_across(CIRCUITS, HEAD, [0, 1], 3)
    assert torch.allclose(pair @ pair.T, torch.eye(2, dtype=torch.float64), atol=1e-10)


def test_more_directions_across_than_there_are_left_are_refused():
    with pytest.raises(UsageError, match="too few directions are left"):
        drawn_across(CIRCUITS, HEAD, list(range(6)), 0)


def test_directions_like_others_are_spread_as_they_are():
    draw = torch.Generator().manual_seed(0)
    others = torch.randn(1, 24, generator=draw, dtype=torch.float64) + 0.1 * torch.randn(
        100, 24, generator=draw, dtype=torch.float64
    )
    others = others / others.norm(dim=1, keepdim=True)
    many = drawn_like(others.T[None], 20_000, torch_generator(1, "test"))
    assert torch.allclose(many.norm(dim=1), torch.ones(20_000, dtype=torch.float64))
    assert torch.allclose(many.T @ many / 20_000, others.T @ others / 100, atol=0.03)
