"""Outcomes of circuits come circuit by circuit and prompt by prompt, whatever outcome is asked for."""

import torch
from circuits.patching.small_models import small

from mechlab.circuits.outcomes import AttentionDifference, LogitDifference
from mechlab.circuits.patching.edge_runs import outcomes_outside
from mechlab.interventions.edge_changes import change_edges, written


def test_each_circuit_and_prompt_has_its_own():
    found = small("gpt2")
    others = written(found.model, found.wiring, found.pairs.corrupted)
    outside = torch.stack([found.wiring.is_edge, torch.zeros_like(found.wiring.is_edge)])
    mine = outcomes_outside(found.model, found.wiring, found.pairs, others, outside, LogitDifference())
    for row, tokens in zip(mine, (found.pairs.corrupted, found.pairs.clean), strict=True):
        assert torch.allclose(row, found.lens.preferences(tokens, found.pairs), atol=1e-9)
    assert mine.shape == (2, len(found.pairs))


def test_an_outcome_inside_the_model_is_read_under_the_change():
    found, outcome = small("gpt2"), AttentionDifference((2, 1))
    others = written(found.model, found.wiring, found.pairs.corrupted)
    outside = found.wiring.is_edge[None]
    mine = outcomes_outside(found.model, found.wiring, found.pairs, others, outside, outcome)
    with (
        torch.no_grad(),
        change_edges(found.model, found.wiring, others, outside),
        found.model.read("pattern.2") as read,
    ):
        found.model.logits(found.pairs.clean)
    seen = read["pattern.2"][:, 1, -1]
    rows = torch.arange(len(found.pairs))
    wanted = seen[rows, found.pairs.positions["IO"]] - seen[rows, found.pairs.positions["S1"]]
    assert torch.allclose(mine[0], wanted, atol=1e-9)
