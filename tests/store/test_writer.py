"""Writing a run: whole or not at all, one writer at a time, and a killed run resumed gives the same bytes."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.randomness import torch_generator
from mechlab.store.lock import FolderLock
from mechlab.store.run import open_run
from mechlab.store.writer import RunWriter

N_STEPS = 20
EVERY = 6


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def work(out, identity, *, resume=False, kill_at=None):
    """A small job with a state, a log, checkpoints and results, that a signal may end at any step."""
    with RunWriter(out, identity, resume=resume) as writer:
        start = writer.resumed_from
        state = start.tensors["state"] if start else torch.zeros(5)
        for step in range(start.step + 1 if start else 1, N_STEPS + 1):
            state = 0.9 * state + torch.randn(5, generator=torch_generator(identity.seed, f"step {step}"))
            writer.log({"step": step, "norm": state.norm().item()})
            if step % EVERY == 0:
                writer.save_checkpoint(step, {"state": state}, {"norm": state.norm().item()})
            if step == kill_at:
                die()
        writer.write_dictionary({"architecture": "topk"}, {"W_dec": state[None]})
        writer.write_text("report.html", f"<p>{state.tolist()}</p>")
        return writer.finish({"norm": Estimate(value=state.norm().item(), low=0, high=9, n=5)})


def content(folder):
    """All bytes of a run, with the provenance cut out of its manifest."""
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest.pop("provenance")["ended"]
    return {**files, "run.json": manifest, (folder / "run.json").relative_to(folder): None}


@pytest.fixture
def whole(tmp_path, identity):
    return content(work(tmp_path / "whole", identity).folder)


def test_the_same_work_twice_gives_the_same_bytes(tmp_path, identity, whole, names):
    run = work(tmp_path / "again", identity)
    assert content(run.folder) == whole
    assert run.verify() == []
    assert names(tmp_path) == ["again", "whole"]


def test_all_of_a_run_is_on_the_disk_before_it_has_its_name(tmp_path, identity, synced):
    run = work(tmp_path / "a", identity)
    last = len(synced) - 1 - synced[::-1].index(str(tmp_path / "a.partial"))
    for name in run.manifest.files:
        assert str(tmp_path / "a.partial" / name) in synced[:last]
    assert str(tmp_path / "a.partial" / "dictionary") in synced
    assert synced[-1] == str(tmp_path)


def test_the_log_is_on_the_disk_before_the_checkpoint_that_counts_its_bytes(tmp_path, identity, synced):
    with RunWriter(tmp_path / "a", identity) as writer:
        writer.log({"step": 1})
        synced.clear()
        writer.save_checkpoint(1, {}, {})
    assert Path(synced[0]).name == "metrics.jsonl"
    assert len(synced) > 1


def test_other_work_gives_other_bytes(tmp_path, identity, whole):
    assert content(work(tmp_path / "again", identity.model_copy(update={"seed": 4})).folder) != whole


@pytest.mark.parametrize("kill_at", [6, 7, 11, 12, 20])
def test_a_killed_run_resumed_gives_the_bytes_of_one_that_never_stopped(
    tmp_path, identity, whole, killed, kill_at, names
):
    killed(lambda: work(tmp_path / "a", identity, kill_at=kill_at))
    assert names(tmp_path) == ["a.partial", "whole"]
    run = work(tmp_path / "a", identity, resume=True)
    assert content(run.folder) == whole
    assert run.manifest.provenance.resumed_at_step == kill_at // EVERY * EVERY
    assert names(tmp_path) == ["a", "whole"]


def test_a_run_killed_twice_and_while_resuming_gives_the_same_bytes(tmp_path, identity, whole, killed):
    killed(lambda: work(tmp_path / "a", identity, kill_at=8))
    killed(lambda: work(tmp_path / "a", identity, resume=True, kill_at=9))
    killed(lambda: work(tmp_path / "a", identity, resume=True, kill_at=13))
    assert content(work(tmp_path / "a", identity, resume=True).folder) == whole


@pytest.mark.parametrize("place", ["write_dictionary", "record_file", "write_manifest", "write_checkpoint"])
def test_a_kill_inside_the_store_can_be_resumed_too(tmp_path, identity, whole, killed, monkeypatch, place):
    calls = []

    def deadly(*arguments):
        calls.append(place)
        if len(calls) == 2 or place == "write_dictionary":
            die()
        return original(*arguments)

    original = getattr(__import__("mechlab.store.writer", fromlist=[place]), place)
    monkeypatch.setattr(f"mechlab.store.writer.{place}", deadly)
    killed(lambda: work(tmp_path / "a", identity))
    monkeypatch.undo()
    assert not (tmp_path / "a").exists()
    assert content(work(tmp_path / "a", identity, resume=True).folder) == whole


def test_a_run_killed_before_its_name_was_given_is_not_taken_for_finished(
    tmp_path, identity, whole, killed, monkeypatch
):
    monkeypatch.setattr("pathlib.Path.replace", _deadly_for_folders(Path.replace))
    killed(lambda: work(tmp_path / "a", identity))
    monkeypatch.undo()
    assert not (tmp_path / "a").exists()
    assert content(work(tmp_path / "a", identity, resume=True).folder) == whole


def _deadly_for_folders(original):
    return lambda path, target: die() if path.name.endswith(".partial") else original(path, target)


def test_a_run_killed_before_its_first_checkpoint_starts_again_unasked(tmp_path, identity, whole, killed):
    killed(lambda: work(tmp_path / "a", identity, kill_at=5))
    assert (tmp_path / "a.partial").exists()
    assert content(work(tmp_path / "a", identity).folder) == whole


def test_resuming_where_nothing_is_starts(tmp_path, identity, whole):
    assert content(work(tmp_path / "a", identity, resume=True).folder) == whole


def test_a_resumed_run_keeps_the_time_of_its_first_start(tmp_path, identity, killed):
    killed(lambda: work(tmp_path / "a", identity, kill_at=7))
    path = tmp_path / "a.partial" / "run.json"
    path.write_text(path.read_text().replace('"started": "2', '"started": "1'))
    assert work(tmp_path / "a", identity, resume=True).manifest.provenance.started.startswith("1")


def test_an_unfinished_run_is_not_run_over(tmp_path, identity, killed):
    killed(lambda: work(tmp_path / "a", identity, kill_at=7))
    with pytest.raises(UsageError, match=r"unfinished run is in the way: .*a\.partial'\. Give --resume .* or delete"):
        work(tmp_path / "a", identity)
    with pytest.raises(UsageError, match=r"unfinished run has another config: .* another --out"):
        work(tmp_path / "a", identity.model_copy(update={"seed": 4}), resume=True)
    assert work(tmp_path / "a", identity, resume=True).manifest.provenance.resumed_at_step == 6


def test_a_damaged_newest_checkpoint_stops_the_resumption_and_its_remedy_works(tmp_path, identity, whole, killed):
    killed(lambda: work(tmp_path / "a", identity, kill_at=13))
    newest = tmp_path / "a.partial" / "checkpoints" / "step-00000012"
    (newest / "tensors.safetensors").write_bytes(b"garbage")
    with pytest.raises(ArtifactError, match=r"checkpoint is damaged: .*step-00000012"):
        work(tmp_path / "a", identity, resume=True)
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    assert content(work(tmp_path / "a", identity, resume=True).folder) == whole


def test_a_log_shorter_than_its_checkpoint_stops_the_resumption(tmp_path, identity, killed):
    killed(lambda: work(tmp_path / "a", identity, kill_at=7))
    (tmp_path / "a.partial" / "metrics.jsonl").write_bytes(b"{}\n")
    with pytest.raises(ArtifactError, match="log of the unfinished run is damaged"):
        work(tmp_path / "a", identity, resume=True)


def test_a_finished_run_is_not_written_again(tmp_path, identity, names):
    work(tmp_path / "a", identity)
    with pytest.raises(UsageError, match="already done"):
        work(tmp_path / "a", identity)
    with pytest.raises(UsageError, match="another config"):
        work(tmp_path / "a", identity.model_copy(update={"kind": "evaluate"}))
    assert names(tmp_path) == ["a"]


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, identity):
    for name in ("a", "b.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("x")
    for name, words in (("a", "is not a run"), ("b", "place for the unfinished run is taken")):
        with pytest.raises(UsageError, match=words):
            work(tmp_path / name, identity)
    assert sorted(map(str, tmp_path.rglob("*"))) == sorted(
        str(tmp_path / name) for name in ("a", "a/thesis.tex", "b.partial", "b.partial/thesis.tex")
    )


def test_a_writer_that_has_finished_leaves_the_place_to_the_next(tmp_path, identity, names):
    with RunWriter(tmp_path / "a", identity) as writer:
        writer.finish({})
        (tmp_path / "a.partial").mkdir()
    assert names(tmp_path) == ["a", "a.partial"]


def test_the_name_of_an_unfinished_run_is_not_given_to_a_finished_one(tmp_path, identity, names):
    with pytest.raises(UsageError, match=r"this name is for unfinished runs: .*Leave out \.partial\.$"):
        work(tmp_path / "a.partial", identity)
    assert names(tmp_path) == []


def test_the_newest_checkpoint_stays_in_the_finished_run(tmp_path, identity, names):
    assert names(work(tmp_path / "a", identity).folder / "checkpoints") == ["step-00000018"]


def test_an_empty_folder_may_become_the_run(tmp_path, identity):
    (tmp_path / "a").mkdir()
    assert work(tmp_path / "a", identity).verify() == []


def test_folders_above_are_made(tmp_path, identity):
    assert open_run(work(tmp_path / "deep" / "er" / "a", identity).folder).verify() == []


def test_a_failure_before_a_checkpoint_leaves_nothing(tmp_path, identity, names):
    with pytest.raises(ZeroDivisionError), RunWriter(tmp_path / "a", identity) as writer:
        writer.log({"step": 1})
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_failure_after_a_checkpoint_can_be_resumed(tmp_path, identity, whole):
    class Stopped(RuntimeError):
        pass

    with pytest.raises(Stopped), RunWriter(tmp_path / "a", identity) as writer:
        writer.save_checkpoint(0, {"state": torch.zeros(5)}, {})
        raise Stopped
    assert (tmp_path / "a.partial" / "checkpoints").exists()
    resumed = content(work(tmp_path / "a", identity, resume=True).folder)
    assert resumed == whole


def test_a_second_writer_is_refused_and_does_not_disturb_the_first(tmp_path, identity):
    with RunWriter(tmp_path / "a", identity) as writer:
        with pytest.raises(UsageError, match="another process is writing this run"):
            work(tmp_path / "a", identity)
        writer.log({"step": 1})
        assert writer.finish({}).verify() == []


def test_the_lock_is_let_go_after_a_refusal(tmp_path, identity, killed):
    killed(lambda: work(tmp_path / "a", identity, kill_at=7))
    with pytest.raises(UsageError, match="--resume"):
        work(tmp_path / "a", identity)
    lock = FolderLock(tmp_path / "a.partial")
    lock.acquire()
    lock.release()


def test_the_log_so_far_can_be_read_while_writing(tmp_path, identity, killed):
    with RunWriter(tmp_path / "a", identity) as writer:
        assert writer.read_log() == []
        writer.log({"step": 1})
        assert writer.read_log() == [{"step": 1}]
    killed(lambda: work(tmp_path / "b", identity, kill_at=9))
    with RunWriter(tmp_path / "b", identity, resume=True) as writer:
        assert [line["step"] for line in writer.read_log()] == [1, 2, 3, 4, 5, 6]


def test_numbers_that_are_not_finite_become_null(tmp_path, identity):
    with RunWriter(tmp_path / "a", identity) as writer:
        writer.log({"loss": float("nan"), "grad": float("inf"), "step": 1})
        run = writer.finish({"loss": float("nan"), "n": 3})
    assert run.read_log() == [{"loss": None, "grad": None, "step": 1}]
    assert open_run(run.folder).manifest.metrics == {"loss": None, "n": 3}


def test_a_full_disk_is_one_line_and_what_can_be_resumed_is_kept(tmp_path, identity, whole, file_limit, names):
    with pytest.raises(UsageError, match="disk is full"), RunWriter(tmp_path / "a", identity) as writer:
        writer.save_checkpoint(0, {"state": torch.zeros(5)}, {})
        with file_limit(10_000):
            writer.write_dictionary({}, {"W_dec": torch.zeros(100_000)})
    assert names(tmp_path) == ["a.partial", "whole"]
    assert content(work(tmp_path / "a", identity, resume=True).folder) == whole


def test_a_really_full_disk_leaves_no_run(tiny_disk, identity, names):
    with pytest.raises(UsageError, match="disk is full"), RunWriter(tiny_disk / "a", identity) as writer:
        for step in range(100_000):
            writer.log({"step": step, "loss": 1.0})
    assert names(tiny_disk) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, identity):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        work(tmp_path / "file" / "a", identity)


def test_no_place_on_the_machine_is_written_down(tmp_path, identity):
    run = work(tmp_path / "a", identity)
    for name in (*run.manifest.files, "run.json"):
        assert str(tmp_path).encode() not in (run.folder / name).read_bytes()
