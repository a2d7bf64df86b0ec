"""Faithfulness runs from 0 with no edge to 1 with all, and its areas are those of trapezoids."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from circuits.patching.small_models import small

from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.faithfulness import SHARES, cmd, cpr, faithfulness, faithfulness_curve, sizes_of
from mechlab.circuits.patching.selection import best_edges, random_ranking
from mechlab.core.errors import UsageError


def test_none_is_0_all_is_1_and_a_circuit_is_what_the_reference_library_runs():
    found, shares = small("gpt2"), (0.0, 0.5, 1.0)
    circuits = best_edges(found.wiring, random_ranking(found.wiring, 1), sizes_of(shares, found.wiring.n_edges))
    curve = faithfulness_curve(found.model, [found.pairs], circuits, LogitDifference(), shares)
    outside = (found.wiring.is_edge & ~circuits[1]).nonzero().tolist()
    half = found.lens.patched(found.pairs, [found.names((source, reader)) for source, reader in outside])
    corrupted, clean = (found.lens.preferences(t, found.pairs) for t in (found.pairs.corrupted, found.pairs.clean))
    wanted = torch.stack([corrupted, clean, corrupted, half, clean])
    assert torch.allclose(curve.outcomes, wanted, atol=1e-9)
    means = wanted.mean(1)
    f = (means[3] - means[0]) / (means[1] - means[0])
    assert torch.allclose(curve.faithfulness, torch.stack([0 * f, f, 0 * f + 1]), atol=1e-9)
    assert curve.cpr == pytest.approx(float(0.25 * f + 0.25 * (f + 1)), abs=1e-9)
    assert curve.cmd == pytest.approx(float(0.25 * (1 + (1 - f).abs()) + 0.25 * (1 - f).abs()), abs=1e-9)


def test_areas_of_known_curves():
    shares = torch.tensor(SHARES, dtype=torch.float64)
    assert float(cpr(torch.ones(10).double(), SHARES)) == pytest.approx(0.999)
    assert float(cmd(torch.ones(10).double(), SHARES)) == 0
    assert float(cpr(shares, SHARES)) == pytest.approx((1 - 0.001**2) / 2)
    assert float(cmd(2 * torch.ones(10).double(), SHARES)) == pytest.approx(
        0.999
    )  # too much is as far away as too little
    assert float(cmd(torch.zeros(10).double(), SHARES)) == pytest.approx(0.999)
    both = torch.stack([shares, 0 * shares])
    assert torch.equal(cpr(both, SHARES), torch.stack([cpr(shares, SHARES), cpr(0 * shares, SHARES)]))


def test_faithfulness_is_a_ratio_of_means():
    means = torch.tensor([[-1.0, 3.0, -1.0, 1.0, 3.0, 5.0], [0.0, 2.0, 1.0, 2.0, 0.0, 2.0]], dtype=torch.float64)
    assert faithfulness(means).tolist() == [[0, 0.5, 1, 1.5], [0.5, 1, 0, 1]]


def test_prompts_of_several_lengths_stand_one_after_another():
    found = small("gpt2")
    batches = [found.pairs, random_pairs(2, n_pos=12, seed=5)]
    circuits = best_edges(found.wiring, random_ranking(found.wiring, 2), [40])
    curve = faithfulness_curve(found.model, batches, circuits, LogitDifference(), (0.1,))
    alone = [faithfulness_curve(found.model, [one], circuits, LogitDifference(), (0.1,)).outcomes for one in batches]
    assert torch.allclose(curve.outcomes, torch.cat(alone, dim=1), atol=1e-9) and curve.outcomes.shape == (3, 5)


def test_what_does_not_fit_is_refused():
    found = small("gpt2")
    circuits = best_edges(found.wiring, random_ranking(found.wiring, 0), [3])
    with pytest.raises(UsageError, match="shares do not fit the circuits"):
        faithfulness_curve(found.model, [found.pairs], circuits, LogitDifference(), (0.1, 0.2))
    with pytest.raises(UsageError, match="edges that do not exist"):
        faithfulness_curve(found.model, [found.pairs], ~circuits, LogitDifference(), (0.1,))
    with pytest.raises(UsageError, match="no prompts to patch"):
        faithfulness_curve(found.model, [], circuits, LogitDifference(), (0.1,))
    for shares in ((0.5, 0.1), (0.1, 0.1), (-0.1, 1.0), (0.5, 1.5), ()):
        with pytest.raises(UsageError, match="shares of edges do not grow"):
            sizes_of(shares, 10)


def test_shares_round_down():
    assert sizes_of((0.001, 0.29, 0.5, 1.0), 100) == [0, 29, 50, 100]
