"""Words that are one token: behind a space, at the start of a text, and too few of them."""

import pytest

from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.single_tokens import needed_tokens, single_tokens, token_groups, whole_words

PIECES = ["?", "the", " Ann", "Ann", " Bob", "Bo", "b", " Eve", "17", "32", "1", "the year", " 17"]


class Pieces:
    """A tokenizer by hand: the longest piece that fits, and `?` (id 0) for a character in none."""

    unk_id, bos_id, eos_id, d_vocab, special_ids, fingerprint = 0, None, None, len(PIECES), frozenset(), "pieces"

    def encode_batch_with_offsets(self, texts):
        return [self._cut(text) for text in texts]

    def _cut(self, text):
        ids, offsets, place = [], [], 0
        while place < len(text):
            fitting = [piece for piece in PIECES if text.startswith(piece, place)]
            piece = max(fitting, key=len) if fitting else "?"
            ids.append(PIECES.index(piece))
            offsets.append((place, place + len(piece)))
            place += len(piece)
        return ids, offsets


def test_a_word_is_single_if_it_adds_one_known_token_behind_a_space():
    assert single_tokens(Pieces(), ["Ann", "Bob", "Zoe", "x"]) == {"Ann": 2, "Bob": 4}


def test_what_stands_before_decides():
    assert single_tokens(Pieces(), ["32", "99"], "the year 17") == {"32": 9}
    assert single_tokens(Pieces(), ["Ann", "Bob"], "") == {"Ann": 3}
    assert single_tokens(Pieces(), [], "") == {}


def test_a_word_that_melts_into_the_text_before_it_is_not_single():
    assert single_tokens(Pieces(), ["7"], "the year 1") == {}


def test_words_that_may_begin_a_text_must_be_single_there_too():
    assert list(needed_tokens(Pieces(), ["Ann", "Bob"], 1, "names", begins=True)) == ["Ann"]
    assert list(needed_tokens(Pieces(), ["Ann", "Bob"], 2, "names")) == ["Ann", "Bob"]
    with pytest.raises(UsageError, match=r"names.* 1 of the 2 needed.*'Bob'"):
        needed_tokens(Pieces(), ["Ann", "Bob"], 2, "names", begins=True)


def test_too_few_words_name_some_that_are_missing():
    words = ["Ann", *(f"Zoe{number}" for number in range(12))]
    with pytest.raises(UsageError) as caught:
        needed_tokens(Pieces(), words, 2, "names")
    message = str(caught.value)
    assert "Zoe0" in message and "..." in message and "Zoe9" not in message and "\n" not in message
    assert caught.value.remedy


def test_groups_without_enough_words_are_left_out_and_one_must_have_enough():
    groups = (("Ann", "Zoe"), ("Ann", "Bob"), ("Ann", "Bob", "Eve"))
    assert [list(group) for group in token_groups(Pieces(), groups, 2, "names")] == [
        ["Ann", "Bob"],
        ["Ann", "Bob", "Eve"],
    ]
    with pytest.raises(UsageError, match="3 of the 4 needed"):
        token_groups(Pieces(), groups, 4, "names")


def test_whole_words_are_kept_and_all_are_if_none_is_whole():
    assert whole_words(Pieces(), ["Ann", "Zoe"]) == ("Ann",)
    assert whole_words(Pieces(), ["Zoe", "Max"]) == ("Zoe", "Max")
