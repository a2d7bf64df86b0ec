"""A run of features reads its rows while they are looked at, and is determined by its dictionary, place and text."""

from mechlab.core.progress import SILENT
from mechlab.corpora.row_stream import RowStream
from mechlab.store.run import open_run
from mechlab.verbs.steps.features.run import feature_identity, rows_to_look_at
from mechlab.verbs.steps.opening import open_subject


def test_rows_of_a_corpus_are_made_while_they_are_read(subject):
    rows = rows_to_look_at(subject, SILENT)
    assert isinstance(rows, RowStream)
    assert (rows.n_tokens, rows.row_length) == (subject.config.eval_tokens, subject.config.row_length)


def test_text_the_model_writes_is_written_at_once(options):
    rows = rows_to_look_at(open_subject(options(corpus="sampled", eval_tokens=64)), SILENT)
    assert not isinstance(rows, RowStream) and rows.n_tokens >= 64


def test_the_amount_of_text_and_its_seed_make_another_run(trained, options):
    parent = open_run(trained[0])
    ids = [
        feature_identity(parent, open_subject(options(**changed))).run_id()
        for changed in ({}, {"eval_tokens": 999}, {"seed": 5}, {"tokens": 99}, {"device": "auto"})
    ]
    assert len(set(ids[:3])) == 3 and ids[0] == ids[3] == ids[4]
