"""The main path under attack: killed, interrupted, resumed, damaged; and what makes a run the run it is."""

import json
import shutil
import signal
import time

import pytest
from small_run import call, contents, spawn, tiny_model, wait

from mechlab.core.errors import TrainingDiverged
from mechlab.core.progress import SILENT
from mechlab.training.parallel.crew import Crew
from mechlab.verbs.steps.opening import open_subject
from mechlab.verbs.steps.training.run import NOT_OF_THE_RESULT, help_train, identity_of, train_run
from mechlab.verbs.train_options import TrainOptions

SMALL = ("--corpus", "tales", "--row-length", "32", "--tokens", "2048", "--eval-tokens", "512", "--k", "4")
SIZE = ("--site", "resid_post.0", "--features", "24", "--batch-size", "256", "--pool", "512", "--device", "cpu")
NOWHERE_IN_THE_ID = {"out", "device", "threads", "resume", "dry_run", "needs_target", "parallel"}
LONG = ("--checkpoint-every", "5", "-s", "training.n_tokens=51200", "-s", "training.log_every_steps=3")


def begin(model, out):
    """Start a long training run as a process, and return it once it has written a checkpoint."""
    process = spawn("train", "topk", "--model", model, *SMALL, *SIZE, *LONG, "--out", out, "--quiet")
    checkpoints = out.with_name(f"{out.name}.partial") / "checkpoints"
    deadline = time.monotonic() + 240
    while not list(checkpoints.glob("step-*")):
        assert process.poll() is None and time.monotonic() < deadline, wait(process).err
        time.sleep(0.002)
    return process


def go_on(model, out, *more):
    return call("train", "topk", "--model", model, *SMALL, *SIZE, *LONG, "--out", out, *more)


@pytest.fixture(scope="module")
def killed(model, tmp_path_factory):
    """Return the unfinished folder a killed process left."""
    out = tmp_path_factory.mktemp("killed") / "out"
    process = begin(model, out)
    process.send_signal(signal.SIGKILL)
    assert wait(process).code == -signal.SIGKILL
    assert not out.exists()
    return out.with_name("out.partial")


@pytest.fixture
def left(killed, tmp_path):
    """Return where a copy of the killed run would be finished."""
    shutil.copytree(killed, tmp_path / "out.partial")
    return tmp_path / "out"


def test_a_killed_run_resumed_has_the_bytes_of_one_never_stopped(model, left, tmp_path):
    done = go_on(model, left, "--resume")
    assert done.code == 0, done.err
    assert "resuming after step" in done.err
    assert go_on(model, tmp_path / "never stopped").code == 0
    resumed, whole = contents(left), contents(tmp_path / "never stopped")
    manifests = [json.loads(files.pop("run.json")) for files in (resumed, whole)]
    assert manifests[0].pop("provenance")["resumed_at_step"] > 0
    assert manifests[1].pop("provenance")["resumed_at_step"] is None
    assert manifests[0] == manifests[1]
    assert resumed.keys() == whole.keys()
    assert [name for name in whole if resumed[name] != whole[name]] == []


def kept(out):
    """Return the files of the unfinished run, but for who holds its lock."""
    files = contents(out.with_name(f"{out.name}.partial"))
    return {name: content for name, content in files.items() if name != ".lock"}


def refused(done, *said):
    assert (done.code, done.out) == (2, "")
    assert not [part for part in said if str(part) not in done.line], done.line


def test_an_unfinished_run_is_not_overwritten_without_resume(model, left):
    before = kept(left)
    refused(go_on(model, left, "--quiet"), "unfinished run is in the way", "--resume")
    refused(go_on(model, left, "--quiet", "--resume", "--seed", 4), "another config", "another --out")
    assert kept(left) == before
    assert not left.exists()


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_refused_and_nothing_is_lost(model, left, name):
    (*_, newest) = sorted((left.with_name("out.partial") / "checkpoints").glob("step-*"))
    content = bytearray((newest / name).read_bytes())
    content[-3] ^= 1
    (newest / name).write_bytes(content)
    before = kept(left)
    refused(go_on(model, left, "--quiet", "--resume"), "checkpoint is damaged", newest, name, "Delete that folder")
    assert kept(left) == before
    assert not left.exists()


def test_an_interrupt_is_one_line_that_names_resume_and_keeps_the_checkpoints(model, tmp_path):
    process = begin(model, tmp_path / "out")
    process.send_signal(signal.SIGINT)
    done = wait(process)
    assert (done.code, done.out) == (1, "")
    assert done.line == "stopped; the same command with --resume goes on from the last checkpoint"
    assert list((tmp_path / "out.partial" / "checkpoints").glob("step-*"))
    assert not (tmp_path / "out").exists()


def test_a_loss_that_explodes_is_one_line_and_keeps_the_last_good_checkpoint(options, tmp_path):
    training = {"explosion_factor": 1.5, "n_tokens": 25600, "lr_warmup_fraction": 1.0, "lr_decay_fraction": 0.0}
    wild = {"lr": 5.0, "training": {**training, "grad_clip": None}}
    with pytest.raises(TrainingDiverged, match="loss"):
        train_run(options(out=tmp_path / "out", checkpoint_every=1, **wild), SILENT)
    assert not (tmp_path / "out").exists()
    assert [name for name in kept(tmp_path / "out") if name.startswith("checkpoints/step-")]


def test_the_id_is_of_the_result_and_not_of_where_it_is_put(options, subject):
    same = {"out": "elsewhere", "device": "auto", "threads": 2, "resume": True, "dry_run": True, "parallel": "features"}
    for name, value in same.items():
        assert identity_of(options(**{name: value}), subject).run_id() == identity_of(options(), subject).run_id()
    assert set(same) | {"kind", "dictionary", "training"} == NOT_OF_THE_RESULT
    defaults = {"dictionary": {"k": 4, "aux_loss_coefficient": 1.0}}
    assert identity_of(options(**defaults), subject).run_id() == identity_of(options(), subject).run_id()


@pytest.mark.parametrize("name", sorted(TrainOptions.model_fields.keys() - NOWHERE_IN_THE_ID))
def test_every_other_option_makes_another_id(options, subject, name):
    other = {
        "model": "tales",
        "site": "mlp_out.1",
        "target": "resid_post.1",
        "corpus": "other.txt",
        "text_column": "story",
        "kind": "batchtopk",
        "dictionary": {"k": 5},
        "training": {"grad_clip": 2.0},
        "lr": 0.5,
        "init_seed": 1,
        "precision": "bfloat16",
    }
    changed = options(**{name: other.get(name) or getattr(options(), name) + 1})
    about = open_subject(changed) if name in ("site", "target", "model") else subject
    assert identity_of(changed, about).run_id() != identity_of(options(), subject).run_id()


def test_the_id_of_a_pair_does_not_depend_on_how_its_ends_are_written(options):
    ways = ({"site": "mlp.1"}, {"site": "blocks.1.ln2.hook_normalized", "target": "mlp_out.1"})
    ids = {identity_of(made := options(**way), open_subject(made)).run_id() for way in ways}
    assert len(ids) == 1
    other = options(site="mlp.0")
    assert identity_of(other, open_subject(other)).run_id() not in ids


def test_the_id_is_of_the_models_weights_and_not_of_how_its_path_is_spelled(options, model, tmp_path, monkeypatch):
    def run_id(typed):
        made = options(model=str(typed))
        return identity_of(made, open_subject(made)).run_id()

    (tmp_path / "link").symlink_to(model)
    shutil.copytree(model, tmp_path / "copy")
    spellings = [model, f"{model}/", f"{model.parent}/../{model.parent.name}/{model.name}", tmp_path / "link"]
    monkeypatch.chdir(model)
    assert {run_id(typed) for typed in (*spellings, ".", tmp_path / "copy")} == {run_id(model)}
    other = tiny_model(tmp_path / "other", seed=1)
    assert run_id(other) != run_id(model)
    assert identity_of(options(model="./x"), open_subject(options())).config["model"] == "./x"


def test_the_same_text_at_another_path_is_the_same_run(options, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("One day.\n" * 400)
    shutil.copy(tmp_path / "a.txt", tmp_path / "b.txt")
    monkeypatch.chdir(tmp_path)
    made = [options(corpus=typed) for typed in ("a.txt", "./a.txt", str(tmp_path / "a.txt"))]
    ids = {identity_of(one, open_subject(one)).run_id() for one in made}
    (tmp_path / "a.txt").write_text("Another day.\n" * 400)
    assert len(ids) == 1 and identity_of(made[0], open_subject(made[0])).run_id() not in ids


def test_a_built_in_models_runs_keep_the_ids_they_had(options):
    """A name that is the same everywhere stays in the hash, so that runs of before are found again."""
    made = options(model="tales", corpus=None)
    identity = identity_of(made, open_subject(made))
    config = {**identity.config, "model": "another"}
    assert identity.model_copy(update={"config": config}).run_id() != identity.run_id()


class Leaving(Crew):
    """A crew of one that counts how often it is left."""

    def __init__(self) -> None:
        self.n_left = 0

    def leave(self) -> None:
        self.n_left += 1


@pytest.mark.parametrize("there_before", [False, True])
def test_the_crew_is_left_once_whether_the_run_was_there_before_or_not(model, tmp_path, there_before):
    options = TrainOptions(
        model=str(model), corpus="tales", row_length=32, tokens=512, eval_tokens=256, site="resid_post.0",
        features=24, batch_size=256, pool=512, device="cpu", dictionary={"k": 4}, out=tmp_path / "run",
    )  # fmt: skip
    if there_before:
        train_run(options, SILENT)
    crew = Leaving()
    train_run(options, SILENT, crew)
    assert crew.n_left == 1


def test_a_helper_that_has_nothing_to_do_leaves(model, tmp_path, monkeypatch):
    options = TrainOptions(
        model=str(model), corpus="tales", row_length=32, site="resid_post.0", device="cpu", features=24,
        dictionary={"k": 4}, out=tmp_path / "run",
    )  # fmt: skip
    crew = Leaving()
    monkeypatch.setattr("mechlab.verbs.steps.training.run.assistant_of", lambda *_: None)
    help_train(options, crew)
    assert crew.n_left == 1
