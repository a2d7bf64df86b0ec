"""An observable is a weighted sum of logits that can be written down, and the last norm's output it reads."""

from contextlib import nullcontext

import pytest
import torch
from circuits.asked_pairs import random_pairs
from oracles.tiny_models import D_VOCAB, tiny, token_rows

from mechlab.circuits.effects import effects
from mechlab.circuits.observables.observable import Observable, from_vector, less, values_at
from mechlab.circuits.outcomes import LogitDifference, Outcome
from mechlab.core.config import canonical_json
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel

ODD = Observable(name="odd", tokens=(7, 3, 60), weights=(0.1, -2.5, 0.3))


def test_it_is_read_back_from_what_it_is_written_as():
    text = ODD.model_dump_json()
    assert Observable.model_validate_json(text) == ODD and canonical_json(ODD) == canonical_json(ODD.model_copy())
    with pytest.raises(ValueError, match="frozen"):
        ODD.name = "even"


def test_its_value_is_the_dot_product_with_its_vector():
    logits = torch.randn(2, 5, D_VOCAB, dtype=torch.float64)
    assert torch.allclose(ODD.value(logits), logits @ ODD.vector(D_VOCAB), atol=1e-14)
    assert ODD.vector(D_VOCAB).nonzero().flatten().tolist() == [3, 7, 60]


@pytest.mark.parametrize("family", ["gpt2", "neox_parallel", "llama"])
def test_its_direction_reads_the_last_norms_output_exactly(family):
    model = HuggingFaceModel(tiny(family).double())
    tokens = token_rows()
    final = model.activations(tokens, ["unembed_in"])["unembed_in"]
    assert torch.allclose(values_at(model.weights(), ODD, final), ODD.value(model.logits(tokens)), atol=1e-12)
    assert ODD.direction(model.weights()).dtype == torch.float64


def test_the_unembeddings_bias_counts():
    model = HuggingFaceModel(tiny("gpt2").double())
    model.layout.unembed.bias = torch.nn.Parameter(torch.arange(D_VOCAB).double() / 7, requires_grad=False)
    tokens = token_rows()
    final = model.activations(tokens, ["unembed_in"])["unembed_in"]
    assert torch.allclose(values_at(model.weights(), ODD, final), ODD.value(model.logits(tokens)), atol=1e-12)
    assert ODD.bias(model.weights()) == pytest.approx((0.1 * 7 - 2.5 * 3 + 0.3 * 60) / 7)


def test_it_is_of_logits_before_their_soft_cap():
    model = HuggingFaceModel(tiny("gemma2"))
    seen = model.activations(token_rows(), ["unembed_in", "unembed_out"])
    found = values_at(model.weights(), ODD, seen["unembed_in"])
    assert torch.allclose(found, ODD.value(seen["unembed_out"].double()), atol=1e-5)
    assert not torch.allclose(found, ODD.value(model.logits(token_rows())).double(), atol=1e-2)


def test_a_narrow_models_direction_is_summed_in_float32():
    model = HuggingFaceModel(tiny("gpt2").to(torch.bfloat16))
    assert ODD.direction(model.weights()).dtype == torch.float32


def nothing(asked):
    return nullcontext()


def test_it_is_an_outcome_of_patching():
    pairs = random_pairs(3)
    first = Observable(name="pair", tokens=tuple(pairs.candidates[0].tolist()), weights=(1.0, -1.0))
    assert isinstance(first, Outcome)
    found = effects(HuggingFaceModel(tiny("gpt2")), [pairs], {"nothing": nothing}, [first, LogitDifference()])
    assert found.clean["pair"][0] == pytest.approx(float(found.clean["logit_difference"][0]), abs=1e-5)


def test_observables_add_up_and_scale():
    other = Observable(name="other", tokens=(3, 9), weights=(-2.5, 4.0))
    found = less(ODD, other)
    assert torch.equal(found.vector(61), ODD.vector(61) - other.vector(61)) and found.name == "odd - other"
    assert 3 not in found.tokens
    assert torch.equal(ODD.scaled(-2.0).vector(61), -2 * ODD.vector(61)) and ODD.scaled(-2.0).name == "-2 odd"
    assert from_vector("odd", ODD.vector(61)).vector(61).equal(ODD.vector(61))


def test_what_is_no_observable_is_refused():
    for tokens, weights, message in (
        ((1, 2), (1.0,), "as many weights as tokens"),
        ((1, 1), (1.0, 2.0), "every token once"),
        ((1,), (0.0,), "not zero"),
        ((-1,), (1.0,), "greater than or equal to 0"),
        ((1,), (float("nan"),), "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            Observable(name="x", tokens=tokens, weights=weights)
    with pytest.raises(UsageError, match="counts no logit: 'odd - odd'"):
        less(ODD, ODD)
    with pytest.raises(UsageError, match="not finite: 'x'"):
        from_vector("x", torch.tensor([1.0, torch.inf]))
    with pytest.raises(UsageError, match=r"no such token: 60\. Tokens are 0\.\.59"):
        ODD.value(torch.zeros(60))
    with pytest.raises(UsageError, match="cannot be multiplied by this"):
        ODD.scaled(0.0)
