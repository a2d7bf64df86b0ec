"""The pages say what the run is, and warn where the text is what the dictionary was trained on."""

import pytest
from views.sample_features import sample_features

from mechlab.store.run import open_run
from mechlab.verbs.steps.features.page import about_run
from mechlab.verbs.steps.features.run import feature_identity
from mechlab.verbs.steps.opening import open_subject


@pytest.fixture
def about(trained, options):
    parent = open_run(trained[0])

    def about(table=None, **changed):
        subject = open_subject(options(**changed))
        return about_run(feature_identity(parent, subject), parent, subject, table or sample_features())

    return about


def test_large_numbers_stand_beside_their_controls(about):
    found = {fact.label: fact for fact in about().headline}
    assert found["never fire"].value == "33 %" and "50 of 150" in found["never fire"].meaning
    assert "by chance" in found["F1 with best known cause"].meaning
    assert "without another" in found["nats lost without a feature"].meaning


def test_text_it_was_trained_on_is_told(about):
    assert any("held out" in note for note in about(eval_tokens=5000).notes)
    assert not any("held out" in note for note in about(eval_tokens=1024).notes)
    assert not any("held out" in note for note in about(eval_tokens=5000, seed=9).notes)


def test_notes_speak_only_of_what_is_there(about):
    plain = " ".join(about(sample_features(plain=True)).notes)
    assert "known cause" not in plain and "Loss without" not in plain and "random directions" not in plain
    assert [fact.label for fact in about(sample_features(plain=True)).headline] == ["never fire", "median frequency"]
