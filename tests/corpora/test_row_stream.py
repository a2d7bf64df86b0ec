"""Rows made while they are read are the rows that are made at once, label by label; a short corpus is refused alike."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.tiny_texts import ListCorpus, word_tokenizer

from mechlab.core.errors import UsageError
from mechlab.corpora import rows as rows_module
from mechlab.corpora.documents import Document, Span
from mechlab.corpora.row_stream import RowStream
from mechlab.corpora.rows import pack

WORDS = [f"w{i}" for i in range(40)]
TOKENIZERS = {
    "with start": word_tokenizer(WORDS),
    "without": word_tokenizer(WORDS, bos_id=None, eos_id=None),
}


def corpus_of(lengths: list[int]) -> ListCorpus:
    words = [[f"w{(i * 7 + j) % 40}" for j in range(length)] for i, length in enumerate(lengths)]
    spans = [(Span(0, len(own[0]), "parity", ("even", "odd")[i % 2]),) for i, own in enumerate(words)]
    documents = [Document(" ".join(own), span) for own, span in zip(words, spans, strict=True)]
    return ListCorpus(documents, {"parity": ("even", "odd")})


@pytest.fixture(autouse=True, scope="module")
def small_parts():
    before, rows_module.CHUNK_CHARACTERS = rows_module.CHUNK_CHARACTERS, 20
    yield
    rows_module.CHUNK_CHARACTERS = before


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 15), min_size=4, max_size=25), st.integers(2, 9), st.integers(1, 40))
def test_blocks_together_are_what_pack_returns(name: str, lengths: list[int], row_length: int, n_tokens: int):
    corpus, tokenizer = corpus_of(lengths), TOKENIZERS[name]
    try:
        whole = pack(corpus, tokenizer, row_length=row_length, n_tokens=n_tokens)
    except UsageError as error:
        with pytest.raises(UsageError) as refused:
            list(RowStream(corpus, tokenizer, row_length, n_tokens))
        assert str(refused.value) == str(error)
        return
    blocks = list(RowStream(corpus, tokenizer, row_length, n_tokens))
    assert torch.equal(torch.cat([block.tokens for block in blocks]), whole.tokens)
    assert torch.equal(torch.cat([block.special for block in blocks]), whole.special)
    assert torch.equal(torch.cat([block.labels["parity"] for block in blocks]), whole.labels["parity"])
    assert {block.label_names["parity"] for block in blocks} == {("even", "odd")}
    assert len({block.fingerprint for block in blocks}) == len(blocks)


def test_only_a_part_of_the_corpus_is_held_at_a_time():
    blocks = list(RowStream(corpus_of([6] * 300), TOKENIZERS["with start"], 5, 1500))
    assert len(blocks) > 20 and max(map(len, blocks)) < 20
