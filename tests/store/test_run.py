"""A finished run: opened, read after checking, refused when it is not one."""

import json

import pytest
import torch

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.dictionary_folder import read_dictionary
from mechlab.store.run import finished_run, open_run


def test_it_opens_by_its_folder_or_its_manifest(run):
    assert open_run(run.folder) == open_run(run.folder / "run.json") == run


def test_its_log_reads_back(run):
    assert run.read_log() == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}]


def test_its_dictionary_reads_back(run):
    cfg, tensors = read_dictionary(run.dictionary_folder())
    assert cfg == {"architecture": "topk", "d_in": 4, "d_sae": 8}
    assert torch.equal(tensors["W_enc"], torch.randn(4, 8, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("name", ["sae_weights.safetensors", "cfg.json"])
def test_a_changed_dictionary_is_not_handed_out(run, name):
    path = run.folder / "dictionary" / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match=f"run is damaged: .*dictionary/{name}.* was changed. Restore the file"):
        run.dictionary_folder()


def test_a_changed_tensor_is_named_when_the_dictionary_is_asked_for(run):
    path = run.folder / "dictionary" / "sae_weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="tensor W_enc was changed"):
        run.dictionary_folder()


def test_a_run_without_a_dictionary_says_so(run):
    bare = run.manifest.model_copy(update={"files": {}})
    with pytest.raises(ArtifactError, match="run has no dictionary"):
        type(run)(run.folder, bare).dictionary_folder()


def test_a_file_it_does_not_have_lists_those_it_has(run):
    with pytest.raises(ArtifactError, match=r"no file 'notes.txt'.*report\.html"):
        run.file("notes.txt")


def test_the_place_of_the_same_run_is_recognised(run, identity):
    assert finished_run(run.folder, identity) == run


def test_a_free_place_is_free(tmp_path, identity):
    assert finished_run(tmp_path / "free", identity) is None
    (tmp_path / "empty").mkdir()
    assert finished_run(tmp_path / "empty", identity) is None


def test_the_place_of_another_run_is_refused_and_left_alone(run, identity):
    before = (run.folder / "run.json").read_bytes()
    other = identity.model_copy(update={"seed": 99})
    with pytest.raises(UsageError, match=rf"another config: .*{run.id}.*{other.run_id()}: give another --out"):
        finished_run(run.folder, other)
    assert (run.folder / "run.json").read_bytes() == before


def test_a_folder_that_is_no_run_is_refused(tmp_path, identity):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("x")
    for place in (tmp_path / "precious", tmp_path / "precious" / "thesis.tex"):
        with pytest.raises(UsageError, match="is not a run"):
            finished_run(place, identity)


def test_an_unfinished_run_is_not_opened(run):
    path = run.folder / "run.json"
    values = json.loads(path.read_text())
    values["provenance"]["ended"] = None
    path.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match=r"run was not finished: .* --resume"):
        open_run(run.folder)


def test_the_folder_holds_what_a_run_holds(run, names):
    assert names(run.folder) == [*("checkpoints", "dictionary", "metrics.jsonl", "report.html", "run.json")]
