"""Drafts to rows: positions by characters, batches by length, and what a tokenizer may not do to a pair."""

import pytest
import torch
from oracles.tiny_texts import word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.drafts import Draft, Prompt
from mechlab.corpora.tasks.tokenizing import batched

WORDS = ["Ann", "Bob", "met", "and", "gave", "to", "very", "long", "ago"]


def prompt(text: str, **roles: str) -> Prompt:
    return Prompt(text, {role: (text.index(word), text.index(word) + len(word)) for role, word in roles.items()})


def draft(clean: Prompt, corrupted: Prompt, candidates=(7, 8), **facts) -> Draft:
    return Draft(clean, corrupted, candidates, [candidates[0]], [candidates[1]], facts)


SHORT = draft(prompt("Ann met Bob", IO="Bob"), prompt("Ann met Ann", IO="met Ann"[4:]), number=0)._replace(
    corrupted=Prompt("Ann met Ann", {"IO": (8, 11)})
)
LONG = draft(prompt("very long ago Bob met", IO="Bob"), prompt("very long ago Ann met", IO="Ann"), number=1)


def test_positions_count_the_start_token_and_batches_have_one_length():
    tokenizer = word_tokenizer(WORDS)
    long, short = batched("meeting", [SHORT, LONG, LONG._replace(facts={"number": 2})], tokenizer)
    assert tokenizer.words(long.clean[0].tolist()) == ["<bos>", "very", "long", "ago", "Bob", "met"]
    assert tokenizer.words(short.corrupted[0].tolist()) == ["<bos>", "Ann", "met", "Ann"]
    assert long.positions["IO"].tolist() == [4, 4] and long.positions["END"].tolist() == [5, 5]
    assert short.positions["IO"].tolist() == [3] and short.positions["END"].tolist() == [3]
    assert [facts["number"] for facts in long.facts] == [1, 2] and short.facts == ({"number": 0},)


def test_right_answers_are_marked_among_the_candidates():
    three = SHORT._replace(candidates=[5, 6, 7], right=[6, 7], right_corrupted=[])
    two, other = sorted(
        batched("meeting", [three, SHORT], word_tokenizer(WORDS)), key=lambda each: each.candidates.shape[1]
    )
    assert other.candidates.tolist() == [[5, 6, 7]]
    assert other.is_right.tolist() == [[False, True, True]] and not other.is_right_corrupted.any()
    assert two.is_right.tolist() == [[True, False]] and two.is_right_corrupted.tolist() == [[False, True]]
    assert other.is_right.dtype == torch.bool


def test_rows_without_a_start_token_begin_with_the_first_word():
    (pairs,) = batched("meeting", [SHORT], word_tokenizer(WORDS, bos_id=None, eos_id=None))
    assert pairs.clean.shape == (1, 3) and pairs.positions["IO"].tolist() == [2]


def test_different_roles_make_different_batches():
    other = LONG._replace(
        clean=prompt("very long ago Bob met", S1="Bob"), corrupted=prompt("very long ago Ann met", S1="Ann")
    )
    assert {frozenset(pairs.positions) for pairs in batched("meeting", [LONG, other], word_tokenizer(WORDS))} == {
        frozenset({"IO", "END"}),
        frozenset({"S1", "END"}),
    }


def test_an_unknown_word_is_named():
    bad = LONG._replace(corrupted=prompt("very long ago Zoe met", IO="Zoe"))
    with pytest.raises(UsageError, match="'Zoe'"):
        batched("meeting", [bad], word_tokenizer(WORDS))


def test_a_role_whose_word_is_several_tokens_is_refused():
    bad = LONG._replace(clean=prompt("very long ago Bob met", IO="ago Bob"))
    with pytest.raises(UsageError, match="'ago Bob'"):
        batched("meeting", [bad], word_tokenizer(WORDS))


def test_a_corruption_that_moves_tokens_is_refused():
    longer = LONG._replace(corrupted=prompt("very long long ago Ann met", IO="Ann"))
    elsewhere = LONG._replace(corrupted=prompt("very Ann long ago met", IO="Ann"))
    for bad in (longer, elsewhere):
        with pytest.raises(UsageError, match="moves"):
            batched("meeting", [bad], word_tokenizer(WORDS))
