"""A run that looks again has its parent's subject but for what the user changed, on the very same model."""

import pytest

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.run import open_run
from mechlab.verbs.evaluate import Config
from mechlab.verbs.steps.parent_run import parent_config, refuse_other_model


def test_what_the_user_gives_wins_over_what_was_stored(trained):
    parent = open_run(trained[0])
    same, other = (parent_config(Config(run="r", **changed), parent) for changed in ({}, {"seed": 7}))
    assert same.site == other.site == "resid_post.0" and same.row_length == 32
    assert (same.seed, other.seed) == (0, 7)


def test_a_run_without_dictionary_is_refused(trained, monkeypatch):
    parent = open_run(trained[0])
    monkeypatch.delitem(parent.manifest.config, "model")
    with pytest.raises(UsageError, match="run has no dictionary"):
        parent_config(Config(run="r"), parent)


def test_the_model_must_be_the_one_it_was_made_on(trained, subject, monkeypatch):
    parent = open_run(trained[0])
    refuse_other_model(parent, subject)
    monkeypatch.setattr(type(subject.model), "fingerprint", "f" * 64)
    with pytest.raises(ArtifactError, match="not the one the run was made on"):
        refuse_other_model(parent, subject)
