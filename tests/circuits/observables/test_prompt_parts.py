"""Parts of an observable sum to it; heads whole are those of direct logit attribution."""

import pytest
import torch
from circuits.asked_pairs import random_pairs
from circuits.observables.held import OBSERVABLE
from oracles.tiny_models import D_VOCAB, tiny, token_rows

from mechlab.circuits.observables.observable import from_vector
from mechlab.circuits.observables.prompt_parts import prompt_parts
from mechlab.circuits.patching.logit_attribution import answer_weights, logit_attribution
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


@pytest.mark.parametrize(
    ("family", "tolerance"),
    [("gpt2", 1e-11), ("neox_parallel", 1e-11), ("neox_sequential", 1e-11), ("llama", 1e-5), ("qwen2", 1e-5)],
)
@pytest.mark.parametrize("position", [-1, 3])
def test_parts_sum_to_the_observable(family, tolerance, position):
    model = HuggingFaceModel(tiny(family).double())
    tokens = token_rows(3, 7)
    found = prompt_parts(model, tokens, OBSERVABLE, position=position)
    summed = found.heads.sum((1, 2, 3)) + found.mlps.sum(1) + found.start + found.bias
    assert torch.allclose(summed, found.total, atol=tolerance)
    logits = model.logits(tokens)[:, position].double()
    assert torch.allclose(found.total, logits @ OBSERVABLE.vector(D_VOCAB), atol=1e-10)
    assert not found.heads[..., 7 + position + 1 if position < 0 else position + 1 :].any()
    assert found.heads.abs().amax((0, 3)).min() > 1e-4


@pytest.mark.parametrize(("family", "tolerance"), [("gpt2", 1e-11), ("llama", 1e-5)])
def test_heads_whole_are_those_of_logit_attribution(family, tolerance):
    model, pairs = HuggingFaceModel(tiny(family).double()), random_pairs(1)
    theirs = logit_attribution(model, [pairs])
    weights = from_vector("answers", answer_weights(pairs, D_VOCAB)[0])
    found = prompt_parts(model, pairs.clean, weights)
    by_name = dict(zip(theirs.parts, theirs.values[0].tolist(), strict=True))
    for layer in range(3):
        for head in range(4):
            own = float(found.heads[0, layer, head].sum())
            assert own == pytest.approx(by_name[f"head.{layer}.{head}"], abs=tolerance)
        assert float(found.mlps[0, layer]) == pytest.approx(by_name[f"mlp.{layer}"], abs=tolerance)
    assert float(found.start[0]) == pytest.approx(by_name["input"], abs=tolerance)
    assert float(found.bias[0]) == pytest.approx(by_name["bias"], abs=tolerance)


def test_a_position_outside_the_prompt_is_refused():
    for position in (7, -8):
        with pytest.raises(UsageError, match=r"no such position: -?\d\. Positions are 0\.\.6"):
            prompt_parts(HuggingFaceModel(tiny("gpt2")), token_rows(1, 7), OBSERVABLE, position=position)
