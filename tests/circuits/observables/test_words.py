"""Words become observables as they read inside a text; what is several tokens is refused in one line."""

import pytest
import torch
from oracles.word_tokenizer import word_tokenizer

import mechlab
from mechlab.circuits.observables.words import matching_words, token_set, word_difference, word_set, word_token
from mechlab.core.errors import UsageError

WORDS = word_tokenizer("she he her his nurse")


def of(word):
    return WORDS.encode_with_offsets(word)[0][0]


def test_a_difference_of_two_words_is_one_logit_less_the_other():
    found = word_difference(WORDS, "she", "he")
    assert dict(zip(found.tokens, found.weights, strict=True)) == {of("she"): 1.0, of("he"): -1.0}
    assert found.name == "'she' - 'he'" and word_difference(WORDS, "she", "he", "subject").name == "subject"


def test_a_set_is_a_mean_or_a_sum():
    mean, total = (word_set(WORDS, ["she", "her", "nurse"], combine=how) for how in ("mean", "sum"))
    logits = torch.randn(WORDS.d_vocab, dtype=torch.float64)
    asked = logits[[of("she"), of("her"), of("nurse")]]
    assert mean.value(logits).item() == pytest.approx(asked.mean().item())
    assert total.value(logits).item() == pytest.approx(asked.sum().item())
    assert token_set(range(6)).name == "token 0, token 1, token 2, token 3 and 2 more"


def test_a_pattern_takes_all_tokens_that_fit_wholly():
    found = matching_words(WORDS, " ?(he|her)")
    assert set(found.tokens) == {of("he"), of("her")} and found.weights == (0.5, 0.5)
    everything = matching_words(WORDS, "(?s).*", combine="sum")
    assert not set(everything.tokens) & WORDS.special_ids and len(everything.tokens) == 5


def test_a_words_leading_space_is_part_of_it():
    tokenizer = mechlab.load("tales").tokenizer
    token = word_token(tokenizer, " the")
    assert tokenizer.token_string(token) == " the"
    assert token in matching_words(tokenizer, r" ?the").tokens


def test_a_word_of_several_tokens_is_refused_with_its_parts():
    tokenizer = mechlab.load("tales").tokenizer
    with pytest.raises(UsageError, match=r"word is several tokens: ' the the'. It is ' the' \+ ' the'") as told:
        word_difference(tokenizer, " the the", " the")
    assert "\n" not in str(told.value) and "take one of them" in str(told.value)


def test_what_names_no_logits_is_refused():
    with pytest.raises(UsageError, match="word is not in the vocabulary: 'doctor'"):
        word_set(WORDS, ["doctor"])
    with pytest.raises(UsageError, match="word is not in the vocabulary: ''"):
        word_token(WORDS, "")
    with pytest.raises(UsageError, match="no token fits the pattern: 'sh'"):
        matching_words(WORDS, "sh")
    with pytest.raises(UsageError, match=r"pattern of tokens is not understood: '\('"):
        matching_words(WORDS, "(")
    for tokens in ([], [3, 3]):
        with pytest.raises(UsageError, match="set of tokens is not one"):
            token_set(tokens)
    with pytest.raises(UsageError, match="counts no logit"):
        word_difference(WORDS, "she", "she")
