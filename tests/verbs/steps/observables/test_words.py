"""Typed words become weights of tokens, and a name that is the same however they were typed."""

import pytest
from oracles.tiny_models import tiny
from oracles.word_tokenizer import word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.verbs.steps.observables.words import typed_observable

MODEL = HuggingFaceModel(tiny("gpt2"), word_tokenizer("she he her him hers they"))
SHE, HE, HER, HIM, HERS = range(3, 8)


@pytest.mark.parametrize(
    ("words", "against", "weights"),
    [
        ("she", "", {SHE: 1.0}),
        ("she", "he", {SHE: 1.0, HE: -1.0}),
        ("she,her", "he", {SHE: 0.5, HE: -1.0, HER: 0.5}),
        ("her, she", "#4", {SHE: 0.5, HE: -1.0, HER: 0.5}),
        ("she,he", "he", {SHE: 0.5, HE: -0.5}),
    ],
)
def test_weights_are_means_and_what_is_against_is_taken_off(words, against, weights):
    found = typed_observable(MODEL, words, against)
    assert dict(zip(found.tokens, found.weights, strict=True)) == weights
    assert list(found.tokens) == sorted(found.tokens)


def test_sums_and_patterns():
    by_sum = typed_observable(MODEL, "she,her", "he,him", combine="sum")
    assert by_sum.weights == (1.0, -1.0, 1.0, -1.0)
    fitting = typed_observable(MODEL, " ?hers?", " ?h(e|im)", regex=True)
    assert dict(zip(fitting.tokens, fitting.weights, strict=True)) == {HER: 0.5, HERS: 0.5, HE: -0.5, HIM: -0.5}


def test_the_name_tells_the_tokens_in_their_order():
    one, other = typed_observable(MODEL, "her,she", "he"), typed_observable(MODEL, "#3,#5", "#4")
    assert one == other and one.name.count(" - ") == 1 and one.name.index("she") < one.name.index("her")
    many = typed_observable(MODEL, "she,he,her,him,hers,they")
    assert many.name.endswith("and 2 more")


def test_what_is_no_word_is_refused():
    with pytest.raises(UsageError, match="not in the vocabulary: 'xyzzy'"):
        typed_observable(MODEL, "she,xyzzy")
    with pytest.raises(UsageError, match="not in the vocabulary: ''"):
        typed_observable(MODEL, "she,")
    with pytest.raises(UsageError, match=r"no such token: 61. Tokens are 0..60"):
        typed_observable(MODEL, "#61")
    with pytest.raises(UsageError, match="words need a tokenizer"):
        typed_observable(HuggingFaceModel(tiny("gpt2")), "she")
