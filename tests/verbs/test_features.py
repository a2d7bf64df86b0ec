"""`mechlab features RUN`: a run of its own with a table and pages; what it refuses."""

import json
import shutil

from small_run import FEATURES, assert_refused, call, contents, nothing_at, tiny_model

from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.store.run import open_run


def test_looking_makes_a_run_of_its_own_that_names_its_parent(trained, looked_at):
    out, done = looked_at
    assert out == trained[0].with_name(f"small-features-{done.data['id'][:8]}")
    found = open_run(out)
    assert found.manifest.parents == (open_run(trained[0]).id,) and found.manifest.kind == "features"
    assert not found.verify()
    assert set(contents(out)) == {"run.json", "report.html", "features.arrow", "features-000.html"}


def test_json_carries_numbers_and_the_objects_asked_for(looked_at):
    data = looked_at[1].data
    assert data["n_features"] == FEATURES and 1300 < data["n_tokens"] <= 1504
    assert [one["index"] for one in data["features"]] == [3, 0]
    assert data["features"][0]["activation_frequency"] > 0
    assert data["estimates"]["removal_loss"]["n"] <= FEATURES


def test_looking_again_returns_the_run_as_it_is(trained, looked_at):
    out, first = looked_at
    before = contents(out)
    again = call("features", trained[0], "--tokens", 1500, "--feature", "3,0", "--json")
    assert (again.code, again.data) == (0, first.data) and "already there" in again.err
    assert contents(out) == before


def test_the_same_run_has_the_same_bytes_everywhere(trained, looked_at, tmp_path):
    done = call("features", trained[0], "--tokens", 1500, "--out", tmp_path / "elsewhere")
    assert done.code == 0, done.err
    mine, theirs = contents(tmp_path / "elsewhere"), contents(looked_at[0])
    for folder in (mine, theirs):
        del folder["run.json"]  # tells when it was made
    assert mine == theirs


def test_people_see_the_features_they_ask_for(trained, looked_at):
    done = call("features", trained[0], "--tokens", 1500, "--feature", "3")
    assert done.code == 0 and "report.html" in done.out and "strongest" in done.out


def test_objects_are_written_one_for_each_feature(trained, looked_at, tmp_path):
    done = call("features", trained[0], "--tokens", 1500, "--objects", tmp_path / "objects")
    assert done.code == 0, done.err
    written = sorted((tmp_path / "objects").iterdir(), key=lambda path: int(path.stem))
    assert [json.loads(path.read_text())["index"] for path in written] == list(range(FEATURES))
    assert written[2].stem == "5", "layer 0, feature 2"


def test_a_place_for_objects_that_is_a_file_is_refused(trained, looked_at, tmp_path):
    (tmp_path / "file").write_text("")
    done = call("features", trained[0], "--tokens", 1500, "--objects", tmp_path / "file", "--quiet")
    assert done.code == 2 and str(tmp_path / "file") in done.line


def test_a_feature_there_is_not_is_refused(trained, tmp_path):
    done = call("features", trained[0], "--feature", FEATURES, "--out", tmp_path / "out")
    assert_refused(done, tmp_path / "out", "no such feature", FEATURES, f"0..{FEATURES - 1}")


def test_a_feature_is_a_number(trained, tmp_path):
    done = call("features", trained[0], "--feature", "x", "--out", tmp_path / "out")
    assert_refused(done, tmp_path / "out", "12,40")


def test_a_run_without_dictionary_is_refused(looked_at, tmp_path):
    done = call("features", looked_at[0], "--out", tmp_path / "out")
    assert_refused(done, tmp_path / "out", "run has no dictionary", "Give a run of `train`")


def test_a_text_that_is_too_short_is_refused(trained, tmp_path):
    (tmp_path / "short.txt").write_text(TalesCorpus().document(0).text)
    done = call("features", trained[0], "--corpus", tmp_path / "short.txt", "--out", tmp_path / "out", "--quiet")
    assert_refused(done, tmp_path / "out", "corpus is too short", "1,000,000 asked")


def test_another_model_is_refused(trained, tmp_path):
    other = tiny_model(tmp_path / "other", seed=1)
    done = call("features", trained[0], "--model", other, "--out", tmp_path / "out")
    assert_refused(done, tmp_path / "out", "not the one the run was made on", other)


def test_a_damaged_table_is_refused(trained, looked_at, tmp_path):
    out = shutil.copytree(looked_at[0], tmp_path / "damaged")
    (out / "features.arrow").write_bytes((out / "features.arrow").read_bytes()[:-50])
    done = call("features", trained[0], "--tokens", 1500, "--feature", "3", "--out", out, "--quiet")
    assert done.code != 0 and "features.arrow" in done.line


def test_a_dry_run_says_the_cost_and_writes_nothing(trained, tmp_path):
    done = call("features", trained[0], "--out", tmp_path / "out", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert (done.data["dry_run"], done.data["n_tokens"], done.data["n_features"]) == (True, 1_000_000, FEATURES)
    assert done.data["time_s"] > 0 and nothing_at(tmp_path / "out")
