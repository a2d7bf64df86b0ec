"""A sweep under attack: stopped and gone on with, and a member that diverges."""

import json
import shutil

import pytest
from small_run import TEXT, call, contents

from mechlab.store.writer import unfinished_steps
from mechlab.training.run import TrainingRun
from mechlab.verbs.steps.sweeps import run as steps

GRID = (*TEXT[:-2], "--eval-tokens", "512", "--batch-size", "256", "--pool", "512", "--checkpoint-every", "3")
OWN = ("--sites", "resid_post.0", "--features", "24", "--k", "2,4", "--lr", "0.01")
NAMES = ("resid_post.0-24-k2-seed0", "resid_post.0-24-k4-seed0")


def sweep(model, out, *more):
    return call("sweep", "topk", "--model", model, *GRID, *OWN, "--out", out, *more)


def dictionaries(out):
    return {name: text for name, text in contents(out).items() if "/dictionary/" in name}


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "s"
    assert sweep(model, out).code == 0
    return out


def stop_at(monkeypatch, n_steps):
    """Let the process be interrupted at the n-th step of all members together."""
    taken, plain = [], TrainingRun.advance

    def advance(self, inputs, targets):
        taken.append(1)
        if len(taken) > n_steps:
            raise KeyboardInterrupt
        return plain(self, inputs, targets)

    monkeypatch.setattr(TrainingRun, "advance", advance)


def test_a_sweep_stopped_and_resumed_has_the_bytes_of_one_never_stopped(model, whole, tmp_path, monkeypatch):
    out = tmp_path / "s"
    with monkeypatch.context() as patched:
        stop_at(patched, 13)  # both after six steps: the second's checkpoint of step six is not yet known to be good
        done = sweep(model, out, "--quiet")
    assert (done.code, done.line[:7]) == (1, "stopped") and "--resume" in done.line
    assert [unfinished_steps(out / name) for name in NAMES] == [[3, 6], [3]]
    refused = sweep(model, out, "--quiet")
    assert refused.code == 2 and "unfinished sweep is in the way" in refused.line
    done = sweep(model, out, "--resume")
    assert done.code == 0, done.err
    assert "resuming after step 3" in done.err
    assert dictionaries(out) == dictionaries(whole)
    logs = {name: text for name, text in contents(out).items() if name.endswith("metrics.jsonl")}
    assert logs == {name: text for name, text in contents(whole).items() if name in logs}


def test_finished_members_are_kept_and_the_others_made(model, whole, tmp_path):
    out = tmp_path / "s"
    shutil.copytree(whole, out)
    shutil.rmtree(out / NAMES[1])
    stored = json.loads((out / "sweep.json").read_text())
    (out / "sweep.json").write_text(json.dumps({**stored, "finished": False}))
    kept = {name: path.stat().st_mtime_ns for name in [NAMES[0]] for path in [out / name / "run.json"]}
    done = sweep(model, out, "--resume")
    assert done.code == 0, done.err
    assert "1 members are not finished; resuming from the start" in done.err
    assert dictionaries(out) == dictionaries(whole)
    assert {name: (out / name / "run.json").stat().st_mtime_ns for name in kept} == kept


def test_a_member_that_diverges_is_said_and_the_others_are_made(model, whole, tmp_path, monkeypatch):
    plain = steps.course_in_run

    def spoilt(options, *rest):
        course = plain(options, *rest)
        if options.dictionary["k"] == 2:
            course.run.guard.check_loss(1.0, course.run)
            course.run.dictionary.b_enc.data.fill_(float("nan"))
        return course

    monkeypatch.setattr(steps, "course_in_run", spoilt)
    done = sweep(model, tmp_path / "s", "--json")
    assert done.code == 1, done.err
    lost, kept = done.data["members"]
    assert "loss" in lost["problem"] and "l0" not in lost
    assert kept["l0"] == 4
    assert (tmp_path / "s" / NAMES[1] / "run.json").is_file() and not (tmp_path / "s" / NAMES[0]).exists()
    assert f"{NAMES[0]} failed and is not drawn" in (tmp_path / "s" / "sweep.html").read_text()


def test_a_failure_before_the_first_checkpoint_leaves_nothing(model, tmp_path, monkeypatch):
    stop_at(monkeypatch, 2)
    assert sweep(model, tmp_path / "s", "--quiet").code == 1
    assert list(tmp_path.iterdir()) == []


def test_the_common_step_is_the_last_that_all_have(tmp_path):
    for name, saved in {"a": (3, 6), "b": (3, 6, 9), "c": ()}.items():
        for step in saved:
            (tmp_path / f"{name}.partial" / "checkpoints" / f"step-{step:08d}").mkdir(parents=True)
    assert steps.common_step([tmp_path / "a", tmp_path / "b"]) == 6
    assert steps.common_step([tmp_path / "a", tmp_path / "c"]) == 0
