"""The run list: everything below a folder, also what is broken, found by path or by id."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from mechlab.core.errors import ArtifactError, UnknownName
from mechlab.store.catalog import find_run, list_runs
from mechlab.store.writer import RunWriter


def test_runs_are_found_two_folders_deep(tmp_path, make_run):
    runs = [make_run(name, seed=seed) for seed, name in enumerate(("a", "group/b", "x/y/too_deep"))]
    assert {entry.manifest.id for entry in list_runs(tmp_path)} == {run.id for run in runs[:2]}
    assert [entry.manifest.id for entry in list_runs(runs[2].folder)] == [runs[2].id]


def test_the_oldest_comes_first(tmp_path, make_run):
    for seed, name in enumerate(("late", "early")):
        path = make_run(name, seed=seed).folder / "run.json"
        year = "2031" if name == "late" else "2030"
        path.write_text(path.read_text().replace('"started": "20', f'"started": "{year}-'))
    assert [entry.folder.name for entry in list_runs(tmp_path)] == ["early", "late"]


def test_a_broken_run_is_shown_as_broken_beside_the_others(tmp_path, make_run):
    make_run("good")
    (make_run("bad", seed=1).folder / "run.json").write_text("{")
    good, bad = list_runs(tmp_path)
    assert (good.state, good.problem) == ("finished", "")
    assert (bad.state, bad.manifest) == ("broken", None)
    assert "run.json is damaged" in bad.problem


def test_an_unfinished_run_is_shown_as_unfinished(tmp_path, identity, killed):
    def work():
        with RunWriter(tmp_path / "a", identity) as writer:
            writer.save_checkpoint(1, {"w": torch.zeros(1)}, {})
            os.kill(os.getpid(), signal.SIGKILL)

    killed(work)
    [entry] = list_runs(tmp_path)
    assert (entry.state, entry.folder.name, entry.manifest.id) == ("unfinished", "a.partial", identity.run_id())
    with pytest.raises(UnknownName, match="no finished runs"):
        find_run(identity.run_id(), tmp_path)


def test_a_folder_without_runs_is_an_empty_list_and_no_folder_is_refused(tmp_path):
    assert list_runs(tmp_path) == []
    with pytest.raises(ArtifactError, match="no such folder"):
        list_runs(tmp_path / "gone")


def test_a_run_is_found_by_path_or_by_the_start_of_its_id(tmp_path, make_run):
    run, other = make_run("a"), make_run("b", seed=1)
    assert find_run(str(run.folder), tmp_path / "elsewhere") == run
    assert find_run(run.id[:6], tmp_path) == find_run(run.id, tmp_path) == run
    assert find_run(other.id, tmp_path) == other


def test_an_unknown_run_lists_the_ids_there_are(tmp_path, make_run):
    run = make_run("a")
    with pytest.raises(UnknownName, match=rf"^unknown run: 'zzzz'\. Give a folder, or an id: {run.id}\.$"):
        find_run("zzzz", tmp_path)


def test_a_start_that_is_too_short_is_refused(tmp_path, make_run):
    with pytest.raises(UnknownName, match="unknown run"):
        find_run(make_run("a").id[:3], tmp_path)


def test_a_start_that_fits_several_runs_lists_those(tmp_path, make_run, identity, monkeypatch):
    monkeypatch.setattr("mechlab.store.catalog.SHORTEST_PREFIX", 1)
    ids = {seed: identity.model_copy(update={"seed": seed}).run_id() for seed in range(17)}
    first, second = next((a, b) for a in ids for b in ids if a < b and ids[a][0] == ids[b][0])
    other = next(seed for seed in ids if ids[seed][0] != ids[first][0])
    for seed in (first, second, other):
        make_run(f"run{seed}", seed=seed)
    with pytest.raises(UnknownName, match="several runs have this id") as caught:
        find_run(ids[first][0], tmp_path)
    assert ids[first] in str(caught.value) and ids[second] in str(caught.value)
    assert ids[other] not in str(caught.value)


def test_looking_at_the_list_does_not_wait_for_torch():
    code = "import sys, mechlab.store.catalog, mechlab.store.comparison; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
