"""Verification: every changed byte is found, and blamed on its file and its tensor."""

import json

import pytest

from mechlab.store.manifest import write_manifest
from mechlab.store.run import open_run
from mechlab.store.safetensors_header import read_header
from mechlab.store.verification import Problem, stored_files

WEIGHTS = "dictionary/sae_weights.safetensors"


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def test_a_run_as_it_was_written_has_no_problem(run):
    assert run.verify() == []


@pytest.mark.parametrize("tensor", ["W_enc", "W_dec"])
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_flipped_byte_in_a_tensor_names_the_file_and_the_tensor(run, tensor, where):
    path = run.folder / WEIGHTS
    start, end = read_header(path).spans[tensor]
    flip(path, start if where == "first" else end - 1)
    assert run.verify() == [Problem(WEIGHTS, "was changed", tensor)]
    assert str(run.verify()[0]) == f"{WEIGHTS}: tensor {tensor} was changed"


def test_a_flipped_byte_anywhere_in_the_header_is_called_the_header(run):
    path = run.folder / WEIGHTS
    for position in range(read_header(path).n_bytes):
        flip(path, position)
        assert run.verify() == [Problem(WEIGHTS, "header was changed")]
        flip(path, position)
    assert run.verify() == []


def test_two_changed_tensors_are_both_named(run):
    for start, _ in read_header(run.folder / WEIGHTS).spans.values():
        flip(run.folder / WEIGHTS, start)
    assert {problem.tensor for problem in run.verify()} == {"W_enc", "W_dec"}


def test_a_flipped_byte_in_any_other_file_names_the_file(run):
    others = [name for name in run.manifest.files if not name.endswith(".safetensors")]
    assert {"metrics.jsonl", "report.html", "dictionary/cfg.json"} <= set(others)
    for name in others:
        flip(run.folder / name, 3)
        assert run.verify() == [Problem(name, "was changed")]
        flip(run.folder / name, 3)


def test_missing_extra_and_truncated_files_are_named(run):
    (run.folder / "metrics.jsonl").unlink()
    (run.folder / "dictionary" / "notes.txt").write_text("mine")
    path = run.folder / WEIGHTS
    n_bytes = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-4])
    assert set(map(str, run.verify())) == {
        "metrics.jsonl: is missing",
        "dictionary/notes.txt: was not there when the run was stored",
        f"{WEIGHTS}: has {n_bytes - 4} bytes instead of {n_bytes}",
    }


def test_a_file_that_became_a_folder_is_missing(run):
    (run.folder / "report.html").unlink()
    (run.folder / "report.html").mkdir()
    assert run.verify() == [Problem("report.html", "is missing")]


@pytest.mark.parametrize(
    "change",
    [{"metrics": {"l0": 1}}, {"seed": 9}, {"config": {}}, {"files": {}}, {"id": "0" * 16}, {"seal": ""}],
)
def test_an_edited_manifest_is_found(run, change):
    path = run.folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert "run.json" in {problem.file for problem in open_run(run.folder).verify()}


def test_an_id_that_does_not_fit_is_found_even_under_a_fitting_seal(run):
    other = write_manifest(run.folder, run.manifest.model_copy(update={"seed": 9}))
    [problem] = open_run(run.folder).verify()
    assert str(problem) == f"run.json: was changed: its content has the id {other.run_id()}, not {run.id}"


def test_the_manifest_and_the_lock_are_no_files_of_the_run(tmp_path):
    for name in ("run.json", ".lock", "b", "deep/a", "deep/run.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert stored_files(tmp_path) == ["b", "deep/a", "deep/run.json"]
