"""Two real processes make the run that one makes, survive being killed, and say in one line what is wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import small_crew
from safetensors.torch import load_file
from small_run import SMALL, call, contents, nothing_at

from mechlab.core.errors import UnknownName, UsageError
from mechlab.store.checkpoints import Checkpoint
from mechlab.store.run import open_run
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.verbs.steps.training.together import crew_for, resumption, sharing

WEIGHTS = "dictionary/sae_weights.safetensors"
LONG = ("--tokens", "20480", "--checkpoint-every", "5", "--quiet")


def train(n, model, out, *more):
    words = ("-m", "mechlab", "train", "topk", "--model", model, *SMALL, "--out", out, *more)
    return small_crew.start(n, *words)


def finished(processes):
    """Wait for processes that must succeed; return what the first printed, and that it alone printed."""
    (code, out, err), *others = small_crew.outputs(processes)
    assert code == 0, err
    assert others == [(0, "", "")] * len(others)
    return out


def failed(processes, code=2):
    """Wait for processes that must fail, the first for its own reasons; return the one line all of them printed."""
    ends = small_crew.outputs(processes)
    assert ends[0][0] == code and all(end[0] in (1, code) for end in ends[1:]), ends
    said = "".join(out + err for _, out, err in ends)
    assert said.count("\n") == 1 and said.startswith("error: "), said
    return said


def assert_same_weights(found, wanted):
    """Compare as parts of the weights: a run's start is not at hand."""
    found, wanted = load_file(found / WEIGHTS), load_file(wanted / WEIGHTS)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert (found[name] - tensor).norm() <= 1e-5 * tensor.norm(), name


@pytest.fixture(scope="module")
def long(model, tmp_path_factory):
    """Return the folders of the same run made by one process, and by two that share its features, uninterrupted."""
    folder = tmp_path_factory.mktemp("long")
    together = train(2, model, folder / "two", *LONG, "--parallel", "features")
    assert call("train", "topk", "--model", model, *SMALL, "--out", folder / "one", *LONG).code == 0
    assert f"run:  {folder / 'two'}" in finished(together)
    return folder / "one", folder / "two"


@pytest.fixture(scope="module")
def killed(model, tmp_path_factory):
    """Return the unfinished run of two processes that share features, killed together after some checkpoints."""
    out = tmp_path_factory.mktemp("killed") / "run"
    processes = train(2, model, out, *LONG, "--parallel", "features")
    place = out.with_name("run.partial") / "checkpoints" / "step-00000010"
    deadline = time.monotonic() + 120
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    for process in processes:
        process.send_signal(signal.SIGKILL)
    assert [process.wait() for process in processes] == [-signal.SIGKILL] * 2
    assert not out.exists()
    return out.with_name("run.partial")


def test_features_shared_by_two_make_the_run_of_one(long):
    one, two = long
    assert_same_weights(two, one)
    runs = [open_run(folder) for folder in long]
    assert runs[0].id == runs[1].id
    assert not runs[1].verify()
    assert runs[1].manifest.provenance.hardware["n_processes"] == 2
    assert "n_processes" not in runs[0].manifest.provenance.hardware
    logs = [list(map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())) for folder in long]
    for ours, theirs in zip(*logs, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert len(logs[0]) == 2
    kept = [path.name for path in (two / "checkpoints" / "step-00000080").iterdir()]
    assert sorted(kept)[:2] == ["shard-00001-of-00002.safetensors", "shard-00002-of-00002.safetensors"]


def test_killed_processes_resumed_end_in_the_same_bytes(long, killed, model, tmp_path):
    shutil.copytree(killed, tmp_path / "run.partial")
    finished(train(2, model, tmp_path / "run", *LONG, "--parallel", "features", "--resume"))
    ours, wanted = contents(tmp_path / "run"), contents(long[1])
    ours.pop("run.json"), wanted.pop("run.json")
    assert ours.keys() == wanted.keys()
    assert [name for name in ours if ours[name] != wanted[name]] == []


def test_one_process_goes_on_where_two_were_killed(long, killed, model, tmp_path):
    shutil.copytree(killed, tmp_path / "run.partial")
    given = ("--model", model, *SMALL, "--out", tmp_path / "run", *(word for word in LONG if word != "--quiet"))
    done = call("train", "topk", *given, "--resume", "--json")
    assert done.code == 0
    assert "begun in 2, now in 1 processes: the same batches" in " ".join(done.err.split())
    assert_same_weights(tmp_path / "run", long[0])


@pytest.mark.slow
def test_three_processes_that_share_rows_go_on_where_two_that_shared_features_were_killed(
    long, killed, model, tmp_path
):
    shutil.copytree(killed, tmp_path / "run.partial")
    done = failed(train(3, model, tmp_path / "run", *LONG, "--resume"))
    assert "batch does not divide among 3 processes: 256" in done
    finished(train(4, model, tmp_path / "run", *LONG, "--resume"))
    assert_same_weights(tmp_path / "run", long[0])


@pytest.mark.slow
def test_rows_shared_by_two_make_the_run_of_one(trained, model, tmp_path):
    finished(train(2, model, tmp_path / "run", "--quiet"))
    assert_same_weights(tmp_path / "run", trained[0])


@pytest.mark.slow
def test_a_transcoders_pairs_are_harvested_together(model, tmp_path):
    more = ("--site", "mlp.1", "--quiet", "--parallel", "features")
    together = train(2, model, tmp_path / "two", *more)
    assert call("train", "topk", "--model", model, *SMALL, "--out", tmp_path / "one", *more).code == 0
    finished(together)
    assert_same_weights(tmp_path / "two", tmp_path / "one")


def test_a_missing_shard_is_one_line(killed, model, tmp_path):
    partial = tmp_path / "run.partial"
    shutil.copytree(killed, partial)
    newest = max((partial / "checkpoints").glob("step-*"))
    (newest / "shard-00002-of-00002.safetensors").unlink()
    done = call("train", "topk", "--model", model, *SMALL, "--out", tmp_path / "run", *LONG, "--resume")
    assert (done.code, done.out) == (2, "")
    assert "checkpoint is damaged" in done.line and "shard-00002-of-00002.safetensors is missing" in done.line
    said = failed(train(2, model, tmp_path / "run", *LONG, "--resume", "--parallel", "features"))
    assert said == done.err


def test_under_torchrun_a_mistake_is_one_line_and_leaves_nothing(model, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    words = ("-m", "mechlab", "train", "topk", "--model", model, *SMALL, "--out", tmp_path / "run")
    command = [*torchrun, *map(str, words), "--features", "25", "--parallel", "features"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    said = [line for line in done.stderr.splitlines() if "mechlab: " in line or line.startswith(("error", "internal"))]
    assert said == ["error: features do not divide among 2 processes: 25. Give a number of --features that 2 divides."]
    assert "exitcode  : 2" in done.stderr
    assert done.returncode != 0 and done.stdout == ""
    assert nothing_at(tmp_path / "run")


def test_a_process_that_fails_alone_ends_all_with_its_line(model, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os\n"
        "from mechlab.__main__ import main\n"
        "from mechlab.dictionaries.topk import TopKDictionary\n"
        "keep = TopKDictionary.sparse_loss\n"
        "def broken(*given):\n"
        "    if os.environ['RANK'] == '1':\n"
        "        raise MemoryError('no more')\n"
        "    return keep(*given)\n"
        "TopKDictionary.sparse_loss = broken\n"
        "main()\n"
    )
    words = ("train", "topk", "--model", model, *SMALL, "--out", tmp_path / "run", "--quiet")
    ends = small_crew.outputs(small_crew.start(2, program, *words))
    assert [code for code, _, _ in ends] == [1, 1]
    assert "".join(out for _, out, _ in ends) == ""
    assert ends[0][2] == ""
    assert ends[1][2] == "internal error: MemoryError: no more (MECHLAB_TRACEBACK=1 shows where)\n"
    assert nothing_at(tmp_path / "run")


def test_other_commands_do_not_work_in_several_processes(trained):
    done = failed(small_crew.start(2, "-m", "mechlab", "show", trained[0]))
    assert "works in one process only: 2. Start it without torchrun." in done


def test_one_process_is_a_crew_of_one(options):
    assert crew_for(options(), 256) is ONE
    assert sharing(ONE) is None
    with pytest.raises(UnknownName, match="rows, features"):
        crew_for(options(parallel="columns"), 256)


def test_a_kind_that_cannot_be_shared_so_says_how_it_can(options, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "here", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=r"matryoshka cannot be trained with its features shared.*by rows\."):
        crew_for(options(kind="matryoshka", dictionary={}, parallel="features"), 256)


@pytest.mark.parametrize(("n", "said"), [(1, "begun in 2, now in 1 processes"), (2, None), (4, "now in 4")])
def test_a_changed_number_of_processes_is_said(n, said):
    crew = Crew()
    crew.n = n
    line = resumption(Checkpoint(5, {}, {"n_processes": 2}), crew)
    assert line.startswith("resuming after step 5")
    assert said in line if said else line == "resuming after step 5"
