"""Documents to token ids: start tokens, labels by characters, vocabularies that are not the model's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.tiny_texts import byte_pair_tokenizer, word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.corpora.documents import Document, Span
from mechlab.corpora.encoding import encode, refuse_foreign_vocabulary, start_token

WORDS = ["Mary", "gave", "John", "a", "ball", "."]
NAMES = {"gender": ("female", "male"), "emotion": ("joy",)}


def test_every_document_opens_with_the_start_token():
    tokenizer = word_tokenizer(WORDS)
    stream = encode([Document("Mary gave"), Document("a ball")], tokenizer, {})
    assert tokenizer.words(stream.ids) == ["<bos>", "Mary", "gave", "<bos>", "a", "ball"]


def test_a_tokenizer_without_bos_opens_with_eos_and_one_without_both_with_nothing():
    assert start_token(word_tokenizer(WORDS, bos_id=None)) == 1
    bare = word_tokenizer(WORDS, bos_id=None, eos_id=None)
    assert bare.words(encode([Document("a"), Document("ball")], bare, {}).ids) == ["a", "ball"]


def test_a_document_without_tokens_leaves_no_trace():
    tokenizer = word_tokenizer(WORDS)
    stream = encode([Document(""), Document("a"), Document("  ")], tokenizer, {})
    assert tokenizer.words(stream.ids) == ["<bos>", "a"]
    assert encode([Document("")], tokenizer, NAMES).ids.size == 0


def test_a_token_has_the_label_of_the_span_it_overlaps_and_start_tokens_have_none():
    text = "Mary gave John a ball ."
    labels = (Span(0, 4, "gender", "female"), Span(10, 14, "gender", "male"), Span(15, 21, "emotion", "joy"))
    stream = encode([Document("a", ()), Document(text, labels)], word_tokenizer(WORDS), NAMES)
    assert stream.labels["gender"].tolist() == [-1, -1, -1, 0, -1, 1, -1, -1, -1]
    assert stream.labels["emotion"].tolist() == [-1, -1, -1, -1, -1, -1, 0, 0, -1]


PIECES = st.lists(st.sampled_from(["Mary", "went", "über", "naïve", "x", ","]), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(PIECES, st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=4))
def test_labels_agree_with_asking_every_token_about_every_character(drawn: list[tuple[list[str], int, int]]):
    tokenizer = byte_pair_tokenizer(["Mary went to the naïve über shop"])
    documents = [
        Document(" ".join(words), (Span(start, start + length, "emotion", "joy"),)) for words, start, length in drawn
    ]
    expected: list[int] = []
    for document in documents:
        encoding = tokenizer.library.encode(document.text)
        span = document.labels[0]
        inside = set(range(span.start, span.end))
        expected += [-1] + [0 if inside & set(range(*offsets)) else -1 for offsets in encoding.offsets]
    assert encode(documents, tokenizer, NAMES).labels["emotion"].tolist() == expected


def test_an_id_outside_the_models_vocabulary_is_refused_with_both_numbers():
    refuse_foreign_vocabulary(np.array([0, 49]), 0, 50, 2)
    with pytest.raises(UsageError, match=r"outside the model's vocabulary: 50\. The model has 50 ids"):
        refuse_foreign_vocabulary(np.array([3, 50]), 0, 50, 2)
    with pytest.raises(UsageError, match="-1"):
        refuse_foreign_vocabulary(np.array([-1]), 0, 50, 1)


def test_a_share_of_unknown_tokens_above_five_per_cent_is_refused():
    refuse_foreign_vocabulary(np.array([3]), 5, 50, 100)
    with pytest.raises(UsageError, match="unknown tokens: '6%'"):
        refuse_foreign_vocabulary(np.array([3]), 6, 50, 100)
