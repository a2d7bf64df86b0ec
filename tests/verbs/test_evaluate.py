"""`mechlab evaluate RUN`: a run of its own, whose parent is the run judged; what it will not judge."""

import json
import shutil

import pytest
from small_run import assert_refused, call, contents, nothing_at, tiny_model

from mechlab.store.run import open_run
from mechlab.verbs.evaluate import Config
from mechlab.verbs.subject import SubjectConfig


@pytest.fixture
def copied(trained, tmp_path):
    """Return a copy of the small run, to be damaged."""
    return shutil.copytree(trained[0], tmp_path / "copied")


def test_judging_makes_a_run_of_its_own_that_names_its_parent(trained, judged):
    out, done = judged
    parent = open_run(trained[0])
    assert out == trained[0].with_name(f"small-judged-{done.data['id'][:8]}")
    found = open_run(out)
    assert found.manifest.parents == (parent.id,)
    assert found.manifest.kind == "evaluate"
    assert not found.verify()
    assert set(contents(out)) == {"run.json", "report.html"}


def test_json_carries_what_train_carries(judged):
    data = judged[1].data
    assert data.keys() >= {"run", "l0", "explained_variance", "ce_loss_recovered", "n_tokens"}
    assert data["l0"] == 4
    assert 450 < data["n_tokens"] <= 512


def test_on_the_same_text_it_finds_what_training_found(trained, tmp_path):
    done = call("evaluate", trained[0], "--out", tmp_path / "out", "--json")
    assert done.data["estimates"] == trained[1].data["estimates"]


def test_judging_again_returns_the_run_as_it_is(trained, judged):
    out, first = judged
    before = contents(out)
    again = call("evaluate", trained[0], "--eval-tokens", 512, "--json")
    assert (again.code, again.data) == (0, first.data)
    assert "already there" in again.err
    assert contents(out) == before


def test_the_page_does_not_depend_on_the_folders(judged, copied, tmp_path):
    done = call("evaluate", copied, "--eval-tokens", 512, "--out", tmp_path / "elsewhere")
    assert done.code == 0, done.err
    name = "report.html"
    assert contents(tmp_path / "elsewhere")[name] == contents(judged[0])[name]


def test_other_text_can_be_judged_at_any_length(trained, tmp_path):
    done = call("evaluate", trained[0], "--seed", 1, "--eval-tokens", 1500, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert done.data["n_tokens"] > 1300
    assert json.loads((tmp_path / "out" / "run.json").read_text())["seed"] == 1


def test_training_text_is_not_judged_on(trained, tmp_path):
    done = call("evaluate", trained[0], "--eval-tokens", 1025, "--out", tmp_path / "out")
    assert_refused(done, tmp_path / "out", "trained on", "1025", "1024 tokens were held out", "--corpus", "--seed")


def test_another_model_is_refused(trained, tmp_path):
    other = tiny_model(tmp_path / "other", seed=1)
    done = call("evaluate", trained[0], "--model", other, "--out", tmp_path / "out")
    assert_refused(done, tmp_path / "out", "not the one the run was made on", other)


def test_a_model_that_has_only_moved_is_accepted(model, trained, tmp_path):
    moved = shutil.copytree(model, tmp_path / "moved")
    done = call("evaluate", trained[0], "--model", moved, "--dry-run", "--json")
    assert done.code == 0, done.err


def test_a_dry_run_says_the_cost_and_writes_nothing(trained, tmp_path):
    done = call("evaluate", trained[0], "--out", tmp_path / "out", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert (done.data["dry_run"], done.data["n_tokens"]) == (True, 1024)
    assert done.data["time_s"] > 0
    assert nothing_at(tmp_path / "out")


def test_what_is_no_run_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(call("evaluate", tmp_path / "empty"), tmp_path / "out", "not a run", "empty", "no run.json")
    assert_refused(
        call("evaluate", "abcdef12"), tmp_path / "out", "unknown run", "'abcdef12'", "no finished runs in runs"
    )


def test_a_run_without_a_dictionary_is_refused(judged, tmp_path):
    done = call("evaluate", judged[0], "--out", tmp_path / "out")
    assert_refused(done, tmp_path / "out", "no dictionary", judged[0], "run of `train`")


def test_a_truncated_dictionary_is_refused(copied, tmp_path):
    weights = copied / "dictionary" / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    done = call("evaluate", copied, "--out", tmp_path / "out", "--quiet")
    assert_refused(done, tmp_path / "out", "damaged", copied, "dictionary/sae_weights.safetensors")


def test_a_flipped_bit_is_found_before_judging_and_by_verify(copied, tmp_path):
    weights = copied / "dictionary" / "sae_weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    done = call("evaluate", copied, "--out", tmp_path / "out", "--quiet")
    assert_refused(done, tmp_path / "out", "dictionary/sae_weights.safetensors")
    done = call("runs", "verify", copied, "--json")
    assert done.code == 1
    (found,) = done.data["runs"]
    assert not found["whole"]
    (problem,) = found["problems"]
    assert "dictionary/sae_weights.safetensors" in problem
    assert [name for name in ("W_enc", "W_dec", "b_enc", "b_dec") if name in problem] == [last_tensor(weights)]


def last_tensor(weights):
    """Return the tensor whose bytes are the file's last."""
    content = weights.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    header.pop("__metadata__", None)
    return max(header, key=lambda name: header[name]["data_offsets"][1])


def test_every_option_of_the_subject_that_can_change_is_one_of_judging():
    kept = {"site", "target", "needs_target", "tokens", "row_length"}  # a dictionary belongs to its places
    assert SubjectConfig.model_fields.keys() - Config.model_fields.keys() == kept
