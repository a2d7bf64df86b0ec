"""Outcomes are read off logits and attention by hand."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.tiny_models import tiny

from mechlab.circuits.outcomes import AttentionDifference, LogitDifference, position_of
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


def test_a_logit_difference_is_right_less_wrong():
    logits = torch.tensor([[0.0, 1.0, 5.0, 2.0], [4.0, 1.0, 0.0, 0.5]])
    pairs = random_pairs(2)
    pairs.candidates.copy_(torch.tensor([[2, 3], [1, 0]]))
    assert LogitDifference().of(logits, {}, pairs).tolist() == [3.0, -3.0]


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("instead", ["S1", None])
def test_an_attention_difference_is_that_of_the_rows_of_the_pattern(scores, instead):
    model, pairs = HuggingFaceModel(tiny("gpt2")), random_pairs()
    outcome = AttentionDifference((1, 2), instead=instead, scores=scores)
    read = model.activations(pairs.clean, list(outcome.sites))
    seen = read["scores.1" if scores else "pattern.1"]
    for row, found in enumerate(outcome.of(torch.zeros(6, 1), read, pairs).tolist()):
        to, other = int(pairs.positions["IO"][row]), int(pairs.positions["S1"][row])
        wanted = float(seen[row, 2, -1, to]) - (float(seen[row, 2, -1, other]) if instead else 0.0)
        assert found == pytest.approx(wanted, abs=1e-6)


def test_names_tell_outcomes_apart():
    names = {
        AttentionDifference((1, 2), scores=scores, instead=instead).name
        for scores in (False, True)
        for instead in ("S1", None)
    }
    assert names == {
        "attention 1.2 END: IO - S1",
        "attention 1.2 END: IO",
        "scores 1.2 END: IO - S1",
        "scores 1.2 END: IO",
    }


def test_a_role_the_prompts_lack_is_refused_with_those_they_have():
    with pytest.raises(UsageError, match=r"no such role: 'S9'\. Known: IO, S1, END\."):
        position_of(random_pairs(), "S9")
