"""The list names a block where components are alike, and nothing where one stands alone."""

import pytest
from small_run import call

from mechlab.core.errors import ArtifactError
from mechlab.store.run import open_run
from mechlab.verbs.steps.channels.list import block_name, stored_channels


def test_a_block_is_named_by_its_ends():
    assert block_name((2, 4)) == "2–4" and block_name((3, 3)) == ""


def test_channels_that_were_changed_are_refused(model, tmp_path):
    assert call("channels", "--model", model, "--out", tmp_path / "run").code == 0
    run = open_run(tmp_path / "run")
    assert len(stored_channels(run)) > 10
    path = tmp_path / "run" / "channels.arrow"
    path.write_bytes(path.read_bytes()[:-8] + b"12345678")
    with pytest.raises(ArtifactError, match="run is damaged"):
        stored_channels(run)
