"""Margins of right candidates over wrong ones, beside a plain loop and by hand; gradients flow."""

import math

import pytest
import torch

from mechlab.corpora.tasks.preference import logit_difference, probability_difference


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 30, generator=generator)
    candidates = torch.stack([torch.randperm(30, generator=generator)[:5] for _ in range(7)])
    is_right = torch.arange(5).expand(7, 5) < torch.arange(7)[:, None] % 4 + 1
    return logits, candidates, is_right


def test_margins_are_what_a_loop_over_candidates_finds(drawn):
    logits, candidates, is_right = drawn
    gaps, shares = logit_difference(*drawn), probability_difference(*drawn)
    for row in range(7):
        total = sum(math.exp(value) for value in logits[row].tolist())
        right = [float(logits[row, token]) for token, yes in zip(candidates[row], is_right[row], strict=True) if yes]
        wrong = [
            float(logits[row, token]) for token, yes in zip(candidates[row], is_right[row], strict=True) if not yes
        ]
        assert float(gaps[row]) == pytest.approx(sum(right) / len(right) - sum(wrong) / len(wrong), abs=1e-5)
        masses = [sum(math.exp(value) for value in some) / total for some in (right, wrong)]
        assert float(shares[row]) == pytest.approx(masses[0] - masses[1], abs=1e-6)


def test_by_hand():
    logits = torch.tensor([[math.log(2.0), math.log(5.0), math.log(3.0)]])
    asked = torch.tensor([[0, 1]]), torch.tensor([[True, False]])
    assert logit_difference(logits, *asked).item() == pytest.approx(math.log(2 / 5))
    assert probability_difference(logits, *asked).item() == pytest.approx(0.2 - 0.5)


def test_exchanging_right_and_wrong_changes_the_sign(drawn):
    logits, candidates, is_right = drawn
    for margin in (logit_difference, probability_difference):
        assert torch.allclose(margin(logits, candidates, ~is_right), -margin(logits, candidates, is_right))


def test_gradients_flow(drawn):
    logits, candidates, is_right = drawn
    given = logits.clone().requires_grad_()
    logit_difference(given, candidates, is_right).sum().backward()
    n_right = is_right.sum(1, keepdim=True)
    expected = torch.zeros(7, 30).scatter(1, candidates, torch.where(is_right, 1 / n_right, -1 / (5 - n_right)))
    assert torch.allclose(given.grad, expected)
