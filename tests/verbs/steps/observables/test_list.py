"""What `mechlab observe` prints comes from the run's own files."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ArtifactError
from mechlab.core.progress import SILENT
from mechlab.store.run import HEADS_NAME
from mechlab.verbs.observe_options import ObserveOptions
from mechlab.verbs.steps.observables.list import first_heads, observe_outcome
from mechlab.verbs.steps.observables.run import observe_run


@pytest.fixture
def config(model, tmp_path):
    def config(**changed):
        small = {"words": "she", "against": "he", "model": str(model), "device": "cpu", "out": tmp_path / "run"}
        asked = {"task": "ioi", "prompts": 8, "style": "tales", "draws": 3, "paths": 3, "beam": 2}
        return build(ObserveOptions, {**small, **asked, **changed})

    return config


def test_the_longest_heads_and_the_paths_stand_in_tables_and_a_changed_table_is_refused(config):
    asked = config(top=3, readers=2)
    run = observe_run(asked, SILENT)
    outcome = observe_outcome(asked, run)
    heads, reads, measures, paths = outcome.tables
    wanted = [f"{one['layer']}.{one['head']}" for one in outcome.data["heads"]]
    assert [row[0] for row in heads.rows] == wanted and len(wanted) == 3 and "3 of 4 heads" in heads.note
    assert [row[0] for row in reads.rows] == wanted[:2] and len(reads.rows[0][1].split(", ")) == 8
    assert measures.rows[2][0].startswith("lengths rank heads") and measures.rows[2][3] == "8"
    assert "share of" in measures.note and len(paths.rows) == 3 and "S2 at" in paths.note
    assert outcome.lines == (f"run: {run.folder}",)
    (run.folder / HEADS_NAME).write_bytes(b"other")
    with pytest.raises(ArtifactError, match=HEADS_NAME):
        first_heads(run, 3, 2)


def test_without_prompts_two_tables_say_how_norms_were_passed(config):
    asked = config(task=None, norms="skip")
    run = observe_run(asked, SILENT)
    heads, reads = observe_outcome(asked, run).tables
    assert list(heads.columns) == ["head", "length"] and "norms skipped" in heads.note and len(reads.rows) == 4
    (alone,) = observe_outcome(config(task=None, norms="skip", readers=0), run).tables
    assert alone.title == f"observe {run.id}"


def test_the_kind_of_effect_is_said(config):
    asked = config(effect="frozen")
    heads = observe_outcome(asked, observe_run(asked, SILENT)).tables[0]
    assert "divisor held" in heads.note and "8 prompts of ioi" in heads.note
