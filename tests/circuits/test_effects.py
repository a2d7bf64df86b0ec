"""Effects are outcomes under an edit less clean ones, prompt by prompt, however prompts are cut into passes."""

from contextlib import nullcontext

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.tiny_models import tiny

from mechlab.circuits.effects import Asked, effects
from mechlab.circuits.outcomes import AttentionDifference, LogitDifference
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

OUTCOMES = [LogitDifference(), AttentionDifference((2, 1))]


@pytest.fixture(scope="module")
def model() -> HuggingFaceModel:
    return HuggingFaceModel(tiny("gpt2"))


def without_mlp(asked: Asked):
    return asked.model.edit({"mlp_out.0": torch.zeros_like})


def nothing(asked: Asked):
    return nullcontext()


@pytest.mark.parametrize("rows_at_once", [1, 4, 100])
def test_an_effect_is_the_outcome_under_the_edit_less_the_clean_one(model, rows_at_once):
    batches = [random_pairs(6), random_pairs(3, n_pos=12, seed=1)]
    found = effects(model, batches, {"a": without_mlp, "b": nothing}, OUTCOMES, rows_at_once=rows_at_once)
    wanted = {"clean": [], "edited": []}
    for pairs in batches:
        wanted["clean"].append(LogitDifference().of(model.logits(pairs.clean)[:, -1], {}, pairs))
        with model.edit({"mlp_out.0": torch.zeros_like}):
            wanted["edited"].append(LogitDifference().of(model.logits(pairs.clean)[:, -1], {}, pairs))
    clean, edited = (torch.cat(wanted[name]).double() for name in ("clean", "edited"))
    assert torch.allclose(found.clean["logit_difference"], clean, atol=1e-5)
    assert torch.allclose(found.of("a", "logit_difference"), edited - clean, atol=1e-5)
    assert found.of("a", "logit_difference").abs().min() > 1e-4
    assert found.of("b", OUTCOMES[1].name).abs().max() < 1e-6
    assert [facts["row"] for facts in found.facts] == [*range(6), *range(3)]


def test_what_heads_write_in_corrupted_prompts_is_that_of_their_pass(model):
    pairs = random_pairs()
    wanted = model.activations(pairs.corrupted, ["head.1.2"])["head.1.2"]
    assert torch.allclose(Asked(model, pairs).corrupted((1, 2)), wanted, atol=1e-6)


def test_no_prompts_outcomes_of_one_name_and_unknown_effects_are_refused(model):
    with pytest.raises(UsageError, match="nothing to measure effects on"):
        effects(model, [], {"a": nothing}, OUTCOMES)
    with pytest.raises(UsageError, match="nothing to measure effects on"):
        effects(model, [random_pairs()], {"a": nothing}, [LogitDifference(), LogitDifference()])
    found = effects(model, [random_pairs()], {"a": nothing}, OUTCOMES)
    with pytest.raises(UsageError, match="no such effect was measured: 'c'"):
        found.of("c", "logit_difference")
