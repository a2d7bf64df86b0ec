"""A patched task as a run: what determines it, on which prompts it chooses and judges, and what it measures."""

from typing import Any

import pytest
import torch

import mechlab
from mechlab.circuits.patching.faithfulness import FaithfulnessCurve
from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT
from mechlab.store.table import read_table
from mechlab.verbs.patch_options import PatchOptions
from mechlab.verbs.steps.patching.run import SCORES_NAME, areas, asked, halves, identity_of, patch_run


def options(**values) -> PatchOptions:
    return build(PatchOptions, {"task": "ioi", **values})


@pytest.fixture
def config(model, tmp_path):
    def config(**changed):
        small = {
            "task": "ioi",
            "model": str(model),
            "prompts": 8,
            "style": "tales",
            "draws": 2,
            "steps": 2,
            "device": "cpu",
        }
        return options(**{**small, "out": tmp_path / "run", **changed})

    return config


def test_prompts_that_judge_are_not_those_that_chose(model, config):
    small = mechlab.load(str(model))
    chosen_on, judged_on = halves(asked(config(prompts=21), small), 0)
    rows = [{tuple(row) for pairs in side for row in pairs.clean.tolist()} for side in (chosen_on, judged_on)]
    assert not rows[0] & rows[1] and len(rows[0] | rows[1]) == 21 and rows[0]


def test_what_is_listed_does_not_make_another_run_but_what_is_asked_does(model, config):
    small = mechlab.load(str(model))
    same, more = identity_of(config(), small), identity_of(config(top=3, threads=1), small)
    assert same.run_id() == more.run_id()
    for changed in ({"steps": 3}, {"seed": 1}, {"corruption": "abc"}, {"direction": "denoising"}, {"style": "plain"}):
        assert identity_of(config(**changed), small).run_id() != same.run_id(), changed


def test_the_same_options_give_the_same_bytes(config, tmp_path):
    runs = [patch_run(config(out=tmp_path / name), SILENT) for name in ("one", "two")]
    files = [{name: (run.folder / name).read_bytes() for name in run.manifest.files} for run in runs]
    assert files[0] == files[1] and SCORES_NAME in files[0]
    assert len(read_table(runs[0].file(SCORES_NAME))["name"]) == 46
    found: dict[str, Any] = dict(runs[0].manifest.metrics)
    assert found["logit_difference_clean"].n == found["n_judged_on"]


def test_areas_have_intervals_over_prompts_and_random_ones_their_mean():
    outcomes = torch.tensor([[0.0, 0.0], [1.0, 3.0], [0.5, 1.5], [1.0, 3.0]], dtype=torch.float64)
    curve, drawn = (FaithfulnessCurve((0.5, 1.0), rows) for rows in (outcomes, outcomes[[0, 1, 0, 1]]))
    found: dict[str, Any] = dict(areas(curve, [drawn, curve]))
    assert found["cpr"].value == pytest.approx(0.375) and found["cmd"].value == pytest.approx(0.125)
    assert found["cpr"].low == pytest.approx(0.375) and found["cpr"].n == 2  # each prompt has the same ratio
    assert found["random_cpr"] == pytest.approx((0.25 + 0.375) / 2)


def test_a_taken_folder_is_refused(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not a run"):
        patch_run(config(), SILENT)
