"""`mechlab train KIND`: what it prints, what it refuses, and that the same command makes the same bytes."""

import json
import resource
import shutil

import pytest
from small_run import SMALL, assert_refused, call, contents, nothing_at, spawn, wait

from mechlab.store.run import open_run

CARRIED = {"run", "l0", "explained_variance", "ce_loss_recovered", "n_tokens"}


def train(model, out, *more):
    return call("train", "topk", "--model", model, *SMALL, "--out", out, *more)


def test_json_is_one_object_on_stdout_and_all_else_on_stderr(trained):
    out, done = trained
    assert done.data.keys() >= CARRIED
    assert done.data["run"] == str(out)
    assert done.data["l0"] == 4
    assert done.data["n_tokens"] > 900
    assert {"value", "low", "high", "n"} <= done.data["estimates"]["explained_variance"].keys()
    assert "report.html" in done.err and "training" in done.err


def test_quiet_shows_no_progress_and_no_json_prints_a_table(trained, model):
    out, _ = trained
    done = train(model, out, "--quiet")
    assert (done.code, done.err) == (0, "")
    assert f"run:  {out}\nopen: {out / 'report.html'}\n" in done.out
    assert "{" not in done.out


def test_the_run_holds_what_a_run_holds(trained):
    out, _ = trained
    names = set(contents(out))
    assert {"run.json", "metrics.jsonl", "report.html", "dictionary/cfg.json"} <= names
    assert "dictionary/sae_weights.safetensors" in names
    assert not open_run(out).verify()
    assert not out.with_name("small.partial").exists()


def test_a_finished_run_is_returned_as_it_is(trained, model):
    out, first = trained
    before = contents(out)
    again = train(model, out, "--json")
    assert again.code == 0
    assert "already there" in again.err
    assert again.data == first.data
    assert contents(out) == before


def test_the_same_command_makes_the_same_bytes_in_another_folder(trained, model, tmp_path):
    out, _ = trained
    assert train(model, tmp_path / "a longer name").code == 0
    first, second = contents(out), contents(tmp_path / "a longer name")
    manifests = [json.loads(files.pop("run.json")) for files in (first, second)]
    assert [manifest.pop("provenance") and manifest for manifest in manifests] == [manifests[0]] * 2
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_another_seed_is_another_run_with_other_bytes(trained, model, tmp_path):
    out, first = trained
    done = train(model, tmp_path / "out", "--seed", 1, "--json")
    assert done.data["id"] != first.data["id"]
    weights = "dictionary/sae_weights.safetensors"
    assert contents(tmp_path / "out")[weights] != contents(out)[weights]


def test_the_page_gives_commands_that_do_not_depend_on_the_folder(trained):
    out, _ = trained
    page = (out / "report.html").read_text()
    assert "mechlab show RUN" in page and "mechlab evaluate RUN --seed 1" in page
    assert str(out) not in page


def test_a_dry_run_says_the_cost_and_writes_nothing(model, tmp_path):
    done = train(model, tmp_path / "out", "--dry-run", "--json")
    assert done.code == 0
    assert done.data["dry_run"] is True
    assert done.data["n_tokens"] == 2048
    assert done.data["n_steps"] == 8
    assert done.data["n_parameters"] == 2 * 16 * 24 + 24 + 16
    assert all(done.data[key] > 0 for key in ("memory_bytes", "disk_bytes", "time_s"))
    assert nothing_at(tmp_path / "out") and not list(tmp_path.iterdir())


def test_the_default_folder_names_kind_model_site_and_id(model, tmp_path):
    done = call("train", "topk", "--model", model, *SMALL, "--json")
    assert done.data["run"] == f"runs/topk-tiny-resid_post_0-{done.data['id'][:8]}"
    assert (tmp_path / done.data["run"] / "run.json").is_file()


def test_options_win_over_the_file_and_settings_win_over_all(model, tmp_path):
    file = tmp_path / "train.yaml"
    file.write_text("k: 3\nfeatures: 20\nlr: 0.5\nseed: 7\ntraining: {lr_warmup_fraction: 0.2, log_every_steps: 4}\n")
    given = ("--model", model, *[word for word in SMALL if word not in ("--k", "4")], "--out", tmp_path / "out")
    nested = ("-s", "training.lr_warmup_fraction=0.1", "-s", "dictionary.aux_loss_coefficient=0", "-s", "seed=9")
    done = call("train", "topk", *given, "--config", file, *nested, "--seed", 8, "--json")
    assert done.code == 0, done.err
    stored = json.loads((tmp_path / "out" / "run.json").read_text())
    config = stored["config"]
    assert (config["dictionary"]["k"], config["features"], config["lr"]) == (3, 24, 0.01)
    assert (stored["seed"], config["seed"]) == (9, 9)
    assert config["training"]["lr_warmup_fraction"] == 0.1
    assert config["training"]["log_every_steps"] == 4
    assert config["dictionary"]["aux_loss_coefficient"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--site", "resid_post.9"], ["resid_post.9", "Layers are 0..1"]),
        (["--site", "resid_pst.0"], ["resid_pst.0", "resid_post"]),
        (["--site", "z.0"], ["more than one vector per token", "'z.0'", "resid_post.0"]),
        (["--target", "pattern.1"], ["more than one vector per token", "'pattern.1'"]),
        (["--row-length", "65"], ["context", "65", "64 tokens"]),
        (["--row-length", "1"], ["row_length", "1", "greater than or equal to 2"]),
        (["--corpus", "tails"], ["no such corpus", "'tails'", "tales"]),
        (["--corpus", "missing.txt"], ["missing.txt"]),
        (["--device", "gpu"], ["unknown device", "'gpu'", "cpu"]),
        (["--k", "25"], ["k is at most d_sae = 24", "25"]),
        (["--features", "-1"], ["features", "-1", "greater than 0"]),
        (["-s", "dictionary.d_sae=5"], ["d_sae", "--features"]),
        (["-s", "kind=tokp"], ["unknown dictionary kind", "'tokp'", "topk"]),
        (["-s", "training.lr_decay_fraction=2"], ["lr_decay_fraction", "2", "less than or equal to 1"]),
    ],
    ids=lambda value: "_".join(value) if str(value[0]).startswith("-") else "",
)
def test_bad_input_is_one_line_and_leaves_nothing(model, tmp_path, options, said):
    assert_refused(train(model, tmp_path / "out", *options), tmp_path / "out", *said)


def test_a_model_without_a_corpus_of_its_own_needs_one(model, tmp_path):
    given = [word for word in SMALL if word not in ("--corpus", "tales")]
    done = call("train", "topk", "--model", model, *given, "--out", tmp_path / "out")
    assert_refused(done, tmp_path / "out", "no corpus of its own", model, "--corpus sampled")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", "", ["empty"]),
        ("short.txt", "Anna went home.\n\nBen went home.\n", ["too short", "fewer tokens"]),
        ("other.jsonl", '{"story": "Anna went home."}\n' * 20, ["no column", "'text'", "story"]),
        ("broken.jsonl", '{"text": "Anna went home."}\n{"text": \n', ["broken.jsonl:2", "line is not JSON"]),
    ],
)
def test_a_corpus_that_will_not_do_is_refused(model, tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    done = train(model, tmp_path / "out", "--corpus", tmp_path / name, "--quiet")
    assert_refused(done, tmp_path / "out", name, *said)


def test_a_model_that_cannot_be_had_is_refused(tmp_path):
    out = tmp_path / "out"
    assert_refused(train("some-owner/some-model", out), out, "no network", "some-owner/some-model", "Built in: tales")
    assert_refused(train(tmp_path / "nowhere", out), out, "does not exist", "nowhere")
    (tmp_path / "weights.bin").write_bytes(b"\x80\x04")
    assert_refused(train(tmp_path / "weights.bin", out), out, "pickle", "weights.bin", "safetensors")


def test_a_damaged_model_folder_is_refused(model, tmp_path):
    out, broken = tmp_path / "out", tmp_path / "broken"
    shutil.copytree(model, broken)
    weights = broken / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert_refused(train(broken, out), out, "not a whole safetensors", weights, "truncated")
    weights.rename(broken / "pytorch_model.bin")
    assert_refused(train(broken, out), out, "pickled", "pytorch_model.bin")


def test_an_output_folder_with_something_else_is_left_alone(trained, model, tmp_path):
    out, _ = trained
    before = contents(out)
    done = train(model, out, "--seed", 5)
    assert done.code == 2
    assert "another config" in done.line and str(out) in done.line and "another --out" in done.line
    assert contents(out) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    done = train(model, tmp_path / "mine")
    assert (done.code, "not a run" in done.line) == (2, True)
    assert contents(tmp_path / "mine") == {"notes.txt": b"mine"}


def test_a_full_disk_is_one_line_and_leaves_nothing(model, tmp_path):
    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    out = tmp_path / "out"
    given = ("--model", model, *SMALL, "--out", out, "--quiet")
    done = wait(spawn("train", "topk", *given, preexec_fn=small_files_only))
    assert_refused(done, out, "disk is full", "out", "Free some space")


def test_a_process_makes_the_same_bytes_as_a_call(trained, model, tmp_path):
    out, _ = trained
    done = wait(spawn("train", "topk", "--model", model, *SMALL, "--out", tmp_path / "out", "--json"))
    assert done.code == 0, done.err
    assert done.data["id"] == open_run(out).id
    weights = "dictionary/sae_weights.safetensors"
    assert contents(tmp_path / "out")[weights] == contents(out)[weights]
