"""A subject is opened: model, site and text; the text is cut into held-out and training rows that share nothing."""

import pytest
import torch

from mechlab.core.errors import UnknownName, UsageError
from mechlab.core.progress import SILENT
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.rows import pack
from mechlab.verbs.steps.opening import held_out_rows, open_subject, training_rows


def test_a_subject_is_the_model_the_site_and_the_text(subject):
    assert (subject.model.spec.d_model, str(subject.route), subject.corpus.name) == (16, "resid_post.0", "tales")
    assert subject.model_record.fingerprint == subject.model.fingerprint
    assert subject.corpus_record.fingerprint == subject.corpus.fingerprint


def test_held_out_rows_are_the_corpus_first_and_training_rows_those_behind(subject):
    held_out, training = held_out_rows(subject, SILENT), training_rows(subject, SILENT)
    whole = pack(open_corpus("tales"), subject.model.tokenizer, row_length=32, n_tokens=1024 + 2048)
    assert (len(held_out), len(training)) == (32, 64)
    assert torch.equal(torch.cat([held_out.tokens, training.tokens]), whole.tokens)
    assert held_out.label_names


def test_no_training_row_is_a_held_out_row(subject):
    rows = [set(map(tuple, rows(subject, SILENT).tokens.tolist())) for rows in (held_out_rows, training_rows)]
    assert not rows[0] & rows[1]


def test_tokens_are_rounded_up_to_whole_rows(options):
    subject = open_subject(options(eval_tokens=33, tokens=65))
    assert subject.n_held_out == 2
    assert (len(held_out_rows(subject, SILENT)), len(training_rows(subject, SILENT))) == (2, 3)


def test_a_built_in_model_brings_its_own_corpus(options):
    assert open_subject(options(model="tales", corpus=None)).corpus.name == "tales"


def test_a_model_can_write_the_text_itself(options):
    subject = open_subject(options(corpus="sampled", tokens=128, eval_tokens=128))
    assert subject.corpus is None and subject.corpus_record.name == "sampled"
    held_out, training = held_out_rows(subject, SILENT), training_rows(subject, SILENT)
    assert (held_out.n_tokens, training.n_tokens) == (128, 128)
    assert not torch.equal(held_out.tokens, training.tokens)
    again = open_subject(options(corpus="sampled", seed=1))
    assert again.corpus_record.fingerprint != subject.corpus_record.fingerprint


def test_what_cannot_work_is_refused_before_any_text_is_read(options, monkeypatch):
    monkeypatch.setattr("mechlab.corpora.rows.encode", lambda *_: pytest.fail("text was read"))
    for changed, error, said in (
        ({"site": "resid_post.7"}, UsageError, "resid_post.7"),
        ({"row_length": 65}, UsageError, "at most 64 tokens"),
        ({"corpus": None}, UsageError, "--corpus sampled"),
        ({"corpus": "tails"}, UnknownName, "tales"),
        ({"device": "abacus"}, UsageError, "abacus"),
    ):
        with pytest.raises(error, match=said):
            open_subject(options(**changed))
