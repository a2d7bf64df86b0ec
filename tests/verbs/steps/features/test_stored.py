"""A run's table of features is opened by its folder, and its objects call the dictionary by the run that trained it."""

import pytest

from mechlab.core.errors import ArtifactError
from mechlab.store.run import open_run
from mechlab.verbs.steps.features.stored import open_features, stored_objects, transcoder_id


def test_a_table_is_opened_by_its_run_s_folder(looked_at):
    table = open_features(str(looked_at[0]))
    assert len(table) == 24 and table.facts.site == "resid_post.0" and table.facts.texts
    assert table.columns["top_tokens"].shape == (24, 10, 25)


def test_objects_name_the_dictionary_s_run_and_place(trained, looked_at):
    run = open_run(looked_at[0])
    assert transcoder_id(run) == f"{open_run(trained[0]).id[:12]}-resid_post.0"
    objects = stored_objects(run, (3, 0))
    assert objects == looked_at[1].data["features"] and {one["transcoder_id"] for one in objects} == {
        transcoder_id(run)
    }


def test_a_run_without_a_table_is_refused(trained):
    with pytest.raises(ArtifactError, match=r"run has no file 'features\.arrow'"):
        open_features(trained[0])
