from collections.abc import Sequence
from itertools import islice
from math import log

import pytest
import torch

from mechlab.corpora.documents import Corpus
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import pack
from mechlab.corpora.tokfsm import corpus as corpus_module
from mechlab.corpora.tokfsm.corpus import TokFsmCorpus
from mechlab.corpora.tokfsm.rollouts import state_labels


class Digits:
    """One token per digit, BOS behind them."""

    fingerprint = "digits"
    d_vocab = 11
    bos_id = 10
    eos_id = None
    unk_id = None
    special_ids = frozenset({10})

    def encode_batch_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        return [([int(digit) for digit in text], [(i, i + 1) for i in range(len(text))]) for text in texts]


def test_the_name_opens_it():
    corpus = open_corpus("tokfsm", seed=5)
    assert isinstance(corpus, TokFsmCorpus) and isinstance(corpus, Corpus)
    assert corpus.label_names["state"][::33] == ("00", "33", "66", "99")


def test_a_document_is_one_walk_of_64_states_along_edges():
    corpus = TokFsmCorpus()
    for document in islice(corpus.documents(), 300):
        states = [int(document.text[start : start + 2]) for start in range(0, 128, 2)]
        assert len(document.text) == 128
        assert corpus.machine.edges[states[:-1], states[1:]].all()


def test_the_same_seed_tells_the_same_documents_and_another_seed_others():
    first, second, other = (list(islice(TokFsmCorpus(seed).documents(), 600)) for seed in (3, 3, 4))
    assert first == second
    assert len({document.text for document in first + other}) == 1_200


def test_the_spans_are_the_states_side_by_side():
    document = next(TokFsmCorpus().documents())
    assert [(span.start, span.end) for span in document.labels] == [(i, i + 2) for i in range(0, 128, 2)]
    assert all(span.value == document.text[span.start : span.end] for span in document.labels)
    assert {span.name for span in document.labels} == {"state"}


def test_the_start_and_each_transition_are_paid_at_the_state_s_first_digit():
    document = next(TokFsmCorpus().documents())
    assert document.surprisals[:3] == ((0, log(100)), (2, log(10)), (4, log(10)))
    assert [position for position, _ in document.surprisals] == list(range(0, 128, 2))
    assert document.nll_nats == pytest.approx(log(100) + 63 * log(10))


def test_the_fingerprint_changes_with_whatever_changes_the_documents(monkeypatch: pytest.MonkeyPatch):
    before = TokFsmCorpus(0).fingerprint
    assert before == TokFsmCorpus(0).fingerprint != TokFsmCorpus(1).fingerprint
    monkeypatch.setattr(corpus_module, "N_STEPS", 32)
    assert TokFsmCorpus(0).fingerprint != before


def test_a_tokenizer_of_digits_reads_one_walk_per_row_with_its_states():
    corpus = TokFsmCorpus()
    rows = pack(corpus, Digits(), row_length=129, n_tokens=20 * 129)
    labels = state_labels(corpus.machine, rows.tokens)
    texts = ["".join(map(str, row)) for row in rows.tokens[:, 1:].tolist()]
    assert texts == [document.text for document in islice(corpus.documents(), 20)]
    assert torch.equal(rows.labels["state"].long(), labels.states)
    assert (labels.states[:, 1:] >= 0).all()
