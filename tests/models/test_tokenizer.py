"""Tokens know the characters they stand for, read as they do in a text, and have a fingerprint."""

import pytest
from oracles.word_tokenizer import word_tokenizer
from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast

from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.tokenizer import HuggingFaceTokenizer, Tokenizer

TEXT = "Once upon a time, Zoë's cat said: “naïve”\n\nThe end."


@pytest.fixture(scope="module")
def byte_level() -> HuggingFaceTokenizer:
    library = ByteLevelBPETokenizer()
    library.train_from_iterator([TEXT] * 3, vocab_size=290)
    return HuggingFaceTokenizer(PreTrainedTokenizerFast(tokenizer_object=library._tokenizer))


def test_offsets_cover_the_text_in_order(byte_level: HuggingFaceTokenizer) -> None:
    ids, offsets = byte_level.encode_with_offsets(TEXT)
    assert byte_level.decode(ids) == TEXT
    covered = {position for start, end in offsets for position in range(start, end)}
    assert covered == set(range(len(TEXT)))
    assert offsets == sorted(offsets)


def test_offsets_point_at_the_token_itself() -> None:
    tokenizer = word_tokenizer("the cat sat")
    ids, offsets = tokenizer.encode_with_offsets("the cat   sat")
    assert [tokenizer.token_string(token) for token in ids] == [" the", " cat", " sat"]
    assert ["the cat   sat"[start:end] for start, end in offsets] == ["the", "cat", "sat"]


def test_no_special_token_is_added_unasked(stories: HuggingFaceModel) -> None:
    tokenizer = stories.tokenizer
    assert tokenizer is not None
    ids, _ = tokenizer.encode_with_offsets("Once upon")
    assert tokenizer.bos_id not in ids
    assert len(ids) == 2


def test_a_token_reads_as_in_a_text_with_its_space(stories: HuggingFaceModel, byte_level: HuggingFaceTokenizer) -> None:
    for tokenizer in (stories.tokenizer, byte_level):
        assert tokenizer is not None
        text = " Once there was a cat"
        ids, _ = tokenizer.encode_with_offsets(text)
        assert "".join(tokenizer.token_string(token) for token in ids).lstrip() == text.lstrip()
    newline = stories.tokenizer.encode_with_offsets("\n")[0][-1] if stories.tokenizer else 0
    assert stories.token_strings(stories.to_tokens("\n")[0])[-1] == "\n"
    assert newline == 13


def test_many_texts_at_once_are_the_same_as_one_by_one(byte_level: HuggingFaceTokenizer) -> None:
    texts = [TEXT, "a cat", ""]
    assert byte_level.encode_batch_with_offsets(texts) == [byte_level.encode_with_offsets(text) for text in texts]


def test_a_stored_length_limit_does_not_cut_texts_short() -> None:
    wrapped = word_tokenizer("a b").wrapped
    wrapped.backend_tokenizer.enable_truncation(3)
    wrapped.backend_tokenizer.enable_padding(length=9)
    assert len(HuggingFaceTokenizer(wrapped).encode_with_offsets("a b a b a b")[0]) == 6


def test_special_tokens_are_known() -> None:
    tokenizer = word_tokenizer("a b")
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id, tokenizer.pad_id) == (0, 1, 2, None)
    assert tokenizer.special_ids == {0, 1, 2}
    assert tokenizer.d_vocab == 5
    assert isinstance(tokenizer, Tokenizer)


def test_the_fingerprint_tells_vocabularies_and_special_tokens_apart() -> None:
    first, same, other = word_tokenizer("a b"), word_tokenizer("a b"), word_tokenizer("b a")
    assert first.fingerprint == same.fingerprint != other.fingerprint
    same.wrapped.bos_token = None
    assert HuggingFaceTokenizer(same.wrapped).fingerprint != first.fingerprint


def test_using_a_tokenizer_does_not_change_its_fingerprint() -> None:
    used = word_tokenizer("a b")
    used.wrapped(["a", "a b"], padding=False, truncation=True, max_length=1)
    assert HuggingFaceTokenizer(used.wrapped).fingerprint == word_tokenizer("a b").fingerprint
