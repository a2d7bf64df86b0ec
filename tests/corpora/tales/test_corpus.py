from itertools import islice

import pytest

from mechlab.core.errors import UnknownName, UsageError
from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.tasks import TASKS
from mechlab.corpora.tales.vocabulary import words_of


def test_the_same_seed_tells_the_same_documents_and_another_seed_others():
    first, second, other = (list(islice(TalesCorpus(seed).documents(), 50)) for seed in (3, 3, 4))
    assert first == second
    assert not {document.text for document in first} & {document.text for document in other}


def test_a_document_depends_on_its_index_alone():
    corpus = TalesCorpus(1)
    forwards = [corpus.document(index) for index in range(30)]
    backwards = [corpus.document(index) for index in reversed(range(30))]
    assert forwards == backwards[::-1] == list(islice(TalesCorpus(1).documents(), 30))
    assert list(islice(corpus.documents(start=20), 10)) == forwards[20:]


def test_a_sized_corpus_ends():
    assert len(list(TalesCorpus(0, n_documents=7).documents())) == 7
    assert len(list(TalesCorpus(0, n_documents=7).documents(start=5))) == 2


def test_the_fingerprint_changes_with_whatever_changes_the_documents():
    corpora = (TalesCorpus(0), TalesCorpus(1), TalesCorpus(0, tasks=["ioi"]), TalesCorpus(0, n_documents=9))
    assert len({corpus.fingerprint for corpus in corpora}) == 4
    assert TalesCorpus(0).fingerprint == TalesCorpus(0).fingerprint


def test_the_order_in_which_tasks_are_asked_for_does_not_matter():
    one, other = TalesCorpus(0, tasks=["ioi", "season"]), TalesCorpus(0, tasks=["season", "ioi"])
    assert (one.fingerprint, one.document(3)) == (other.fingerprint, other.document(3))


@pytest.mark.parametrize("task", TASKS)
def test_a_corpus_of_one_task_tells_only_that_task(task):
    corpus = TalesCorpus(0, tasks=[task])
    spans = [span for index in range(30) for span in corpus.document(index).labels if span.name == "task"]
    assert {span.value for span in spans} == {task} and len(spans) == 30


def test_an_unknown_task_or_none_at_all_is_refused():
    with pytest.raises(UnknownName, match="left_over"):
        TalesCorpus(0, tasks=["leftover"])
    with pytest.raises(UsageError, match="needs a task"):
        TalesCorpus(0, tasks=[])


def test_every_task_is_told_often():
    corpus = TalesCorpus(0)
    told = [span.value for index in range(600) for span in corpus.document(index).labels if span.name == "task"]
    assert all(told.count(task) > 40 for task in TASKS)


def test_the_entropy_per_token_is_the_price_of_all_documents_over_all_tokens_ends_included():
    corpus = TalesCorpus(2)
    documents = [corpus.document(index) for index in range(40)]
    n_tokens = sum(len(words_of(document.text)) for document in documents) + 40
    paid = sum(nats for document in documents for _, nats in document.surprisals)
    assert corpus.entropy_per_token(40) == pytest.approx(paid / n_tokens)


def test_every_choice_is_paid_inside_the_document():
    corpus = TalesCorpus(5)
    for index in range(300):
        document = corpus.document(index)
        starts = {0, *(place + 1 for place, letter in enumerate(document.text) if letter == " "), len(document.text)}
        assert {position for position, _ in document.surprisals} <= starts
        assert sum(nats for _, nats in document.surprisals) == pytest.approx(document.nll_nats)
