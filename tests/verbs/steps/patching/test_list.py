"""What `mechlab patch` prints comes from the run's own files."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ArtifactError
from mechlab.core.progress import SILENT
from mechlab.verbs.patch_options import PatchOptions
from mechlab.verbs.steps.patching.list import patch_outcome
from mechlab.verbs.steps.patching.run import SCORES_NAME, patch_run


def options(**values) -> PatchOptions:
    return build(PatchOptions, {"task": "ioi", **values})


def test_the_largest_scores_stand_first_beside_random_circuits_and_a_changed_table_is_refused(model, tmp_path):
    config = options(
        task="ioi",
        model=str(model),
        prompts=8,
        style="tales",
        draws=2,
        method="eap",
        top=3,
        out=tmp_path / "run",
        device="cpu",
    )
    run = patch_run(config, SILENT)
    outcome = patch_outcome(config, run)
    scores, curves = outcome.tables[1:]
    assert [row[0] for row in scores.rows] == [one["name"] for one in outcome.data["parts"]] and len(scores.rows) == 3
    assert scores.columns[1] == "score, nats" and "3 of 46" in scores.note
    assert curves.rows[-1][0] == "100 %" and curves.rows[-1][2:] == ("1.000", "1.000", "1.000")
    (run.folder / SCORES_NAME).write_bytes(b"other")
    with pytest.raises(ArtifactError, match=SCORES_NAME):
        patch_outcome(config, run)
