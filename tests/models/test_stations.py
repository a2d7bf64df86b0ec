"""A station hooks its module when the first visit comes and lets go with the last."""

import torch
from oracles.tiny_models import tiny
from torch import nn

from mechlab.models.architectures.gpt2 import layout
from mechlab.models.stations import InputStation, OutputStation, ProjectionStation


def test_a_station_has_one_hook_however_many_visits_and_none_after_the_last() -> None:
    module = nn.Linear(3, 3)
    station = OutputStation(module)
    first, second = (lambda value: None), (lambda value: None)
    station.add("output", first)
    station.add("output", second)
    assert len(module._forward_hooks) == 1
    station.remove("output", first)
    assert len(module._forward_hooks) == 1
    station.remove("output", second)
    assert len(module._forward_hooks) == 0


def test_a_visit_that_only_looks_changes_nothing_at_all() -> None:
    module, seen = nn.Linear(3, 3), []
    station = InputStation(module)
    station.add("input", lambda value: seen.append(value))
    given = torch.randn(2, 3)
    assert torch.equal(module(given), nn.functional.linear(given, module.weight, module.bias))
    assert seen[0] is given


def test_the_first_of_several_outputs_is_visited_and_the_others_pass() -> None:
    module = nn.MultiheadAttention(4, 1, batch_first=True)
    station = OutputStation(module)
    station.add("output", torch.zeros_like)
    given = torch.randn(1, 3, 4)
    output, weights = module(given, given, given)
    assert output.abs().max() == 0
    assert weights is not None


def test_a_fused_projection_is_edited_in_its_own_part_only() -> None:
    block = layout(tiny("gpt2")).blocks[0]
    station = ProjectionStation(block.q.module, {"q": block.q, "k": block.k, "v": block.v})
    given = torch.randn(2, 5, 32)
    plain = block.q.module(given)
    station.add("k", torch.zeros_like)
    edited = block.q.module(given)
    assert edited[..., 32:64].abs().max() == 0
    assert torch.equal(edited[..., :32], plain[..., :32])
    assert torch.equal(edited[..., 64:], plain[..., 64:])
