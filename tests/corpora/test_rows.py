"""Packing: every token once, a start token before every document and row, refusals that name numbers."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.tiny_texts import ListCorpus, TinyTokenizer, word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.corpora.documents import Document, Span
from mechlab.corpora.rows import TokenRows, pack, split

WORDS = [f"w{i}" for i in range(40)]
TOKENIZER = word_tokenizer(WORDS)


def packed(texts: list[str], row_length: int = 4, n_tokens: int = 8, tokenizer: TinyTokenizer = TOKENIZER) -> TokenRows:
    return pack(ListCorpus([Document(text) for text in texts]), tokenizer, row_length=row_length, n_tokens=n_tokens)


def as_words(rows: TokenRows, tokenizer: TinyTokenizer = TOKENIZER) -> list[str]:
    return [" ".join(tokenizer.words(row)) for row in rows.tokens.tolist()]


def test_documents_are_packed_behind_start_tokens_and_a_cut_one_goes_on_behind_another():
    assert as_words(packed(["w0 w1 w2", "w3 w4", "w5 w6 w7 w8", "w9 w10"], n_tokens=16)) == [
        "<bos> w0 w1 w2",
        "<bos> w3 w4 <bos>",
        "<bos> w5 w6 w7",
        "<bos> w8 <bos> w9",
    ]


def test_a_tokenizer_without_start_token_packs_the_bare_stream():
    bare = word_tokenizer(WORDS, bos_id=None, eos_id=None)
    assert as_words(packed(["w0 w1 w2", "w3 w4 w5 w6 w7"], tokenizer=bare), bare) == ["w0 w1 w2 w3", "w4 w5 w6 w7"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=12), st.integers(2, 7))
def test_without_the_start_tokens_the_rows_spell_the_corpus_from_its_beginning(lengths: list[int], row_length: int):
    words = [[f"w{(i * 7 + j) % 40}" for j in range(length)] for i, length in enumerate(lengths)]
    rows = packed([" ".join(document) for document in words], row_length, row_length)
    spelled = TOKENIZER.words(rows.tokens[~rows.special].tolist())
    assert spelled == [word for document in words for word in document][: len(spelled)]
    assert bool((rows.tokens[:, 0] == 0).all())
    assert bool((rows.special == (rows.tokens == 0)).all())


def test_labels_stay_on_their_tokens_through_packing():
    documents = [
        Document(f"w{i} w{i + 1} w{i + 2}", (Span(0, len(f"w{i}"), "parity", ("even", "odd")[i % 2]),))
        for i in range(30)
    ]
    corpus = ListCorpus(documents, {"parity": ("even", "odd")})
    rows = pack(corpus, TOKENIZER, row_length=5, n_tokens=100)
    labelled = rows.labels["parity"] >= 0
    firsts = [word for document in documents for word in document.text.split()[:1]]
    assert TOKENIZER.words(rows.tokens[labelled].tolist()) == firsts[: int(labelled.sum())]
    assert rows.labels["parity"][labelled].tolist() == [i % 2 for i in range(int(labelled.sum()))]
    assert rows.label_names == {"parity": ("even", "odd")}
    assert int(labelled.sum()) == 20


def test_a_start_token_put_in_at_a_cut_has_no_label():
    text = " ".join(WORDS)
    corpus = ListCorpus([Document(text, (Span(0, len(text), "whole", "yes"),))] * 2, {"whole": ("yes",)})
    rows = pack(corpus, TOKENIZER, row_length=6, n_tokens=60)
    assert torch.equal(rows.labels["whole"] == -1, rows.special)


def test_only_as_much_of_an_endless_corpus_is_read_as_is_needed():
    class Endless(ListCorpus):
        read = 0

        def documents(self) -> Iterator[Document]:
            while True:
                self.read += 1
                yield Document(" ".join(["w1"] * 2000))

    corpus = Endless([])
    assert pack(corpus, TOKENIZER, row_length=100, n_tokens=1000).tokens.shape == (10, 100)
    assert corpus.read < 100


def test_an_uneven_count_is_rounded_up_to_whole_rows():
    assert packed(["w1 " * 100], row_length=8, n_tokens=17).tokens.shape == (3, 8)


def test_asking_for_more_tokens_only_adds_rows_behind():
    texts = [f"w{i} w{i + 1} w{i + 2} w{i + 3} w{i + 4}" for i in range(30)]
    few, many = packed(texts, 7, 40), packed(texts, 7, 140)
    assert torch.equal(few.tokens, many.tokens[: len(few)])


def test_the_fingerprint_follows_corpus_tokenizer_length_and_count():
    texts = ["w1 w2 w3 w4 w5 w6 w7 w8 w9"] * 9
    base = packed(texts)
    assert packed(texts).fingerprint == base.fingerprint
    other_words = word_tokenizer([*WORDS, "more"])
    variants = [packed(texts, 5), packed(texts, 4, 12), packed(texts, tokenizer=other_words)]
    renamed = pack(ListCorpus([Document("w1 " * 9)], fingerprint="b"), TOKENIZER, row_length=4, n_tokens=8)
    assert len({base.fingerprint, renamed.fingerprint, *(rows.fingerprint for rows in variants)}) == 5


def test_an_empty_corpus_is_refused():
    with pytest.raises(UsageError, match="corpus is empty: 'listed'"):
        packed([])
    with pytest.raises(UsageError, match="corpus is empty"):
        packed(["", " "])


def test_a_short_corpus_is_refused_with_the_tokens_it_has():
    with pytest.raises(UsageError, match="12 tokens in whole rows of 4, 100 asked: 'listed'"):
        packed(["w1 " * 11], n_tokens=100)


def test_a_corpus_of_another_language_is_refused():
    with pytest.raises(UsageError, match="does not know the corpus's words"):
        packed(["w1 fremd w2 fremd w3"] * 9)


def test_a_tokenizer_larger_than_the_model_is_refused():
    corpus = ListCorpus([Document("w1 w39 w2 w3 w4")])
    with pytest.raises(UsageError, match="outside the model's vocabulary: 42"):
        pack(corpus, TOKENIZER, row_length=2, n_tokens=4, d_vocab=20)


def test_rows_shorter_than_two_tokens_are_refused():
    with pytest.raises(UsageError, match="at least 2"):
        packed(["w1 w2"], row_length=1)


def test_held_out_rows_are_the_last_ones_and_no_row_is_on_both_sides():
    rows = packed([" ".join(WORDS)] * 3, row_length=4, n_tokens=40)
    train, held_out = split(rows, 3)
    assert (len(train), len(held_out)) == (7, 3)
    assert torch.equal(torch.cat([train.tokens, held_out.tokens]), rows.tokens)
    assert len({rows.fingerprint, train.fingerprint, held_out.fingerprint}) == 3


@pytest.mark.parametrize("n_held_out", [0, 10, -1])
def test_an_empty_side_is_refused(n_held_out: int):
    with pytest.raises(UsageError, match="There are 10 rows"):
        split(packed([" ".join(WORDS)] * 3, row_length=4, n_tokens=40), n_held_out)
