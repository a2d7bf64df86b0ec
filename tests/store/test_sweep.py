"""A sweep on disk: what it is, whose folder it is, and that failure leaves nothing."""

import pytest

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.sweep import MemberRecord, SweepRecord, SweepWriter, finished_sweep, read_sweep


def record(run="a" * 16, **changed):
    member = MemberRecord(name="one", run=run, settings={"k": 4}, seed=0)
    return SweepRecord(kind="sweep topk", config={"seed": 0}, members=(member,)).model_copy(update=changed)


def test_what_is_written_is_read(tmp_path):
    with SweepWriter(tmp_path / "s", record(), resume=False) as sweep:
        assert read_sweep(tmp_path / "s") == record()
        sweep.place("one").mkdir()
        done = record().measured({"one": record().members[0].model_copy(update={"metrics": {"l0": 4.0}})})
        sweep.finish(done, "<page>")
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["one", "sweep.html", "sweep.json"]
    assert finished_sweep(tmp_path / "s", record(), resume=False) == done


def test_a_failure_before_any_run_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), SweepWriter(tmp_path / "s", record(), resume=False):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_a_run_begun_is_kept_and_needs_resume(tmp_path):
    with pytest.raises(KeyError), SweepWriter(tmp_path / "s", record(), resume=False) as sweep:
        sweep.place("one.partial").mkdir()
        raise KeyError
    with pytest.raises(UsageError, match=r"unfinished sweep is in the way.*--resume"):
        finished_sweep(tmp_path / "s", record(), resume=False)
    assert finished_sweep(tmp_path / "s", record(), resume=True) is None
    with pytest.raises(UsageError, match="another sweep"):
        finished_sweep(tmp_path / "s", record(run="b" * 16), resume=True)


def test_two_processes_do_not_write_the_same_sweep(tmp_path):
    with (
        SweepWriter(tmp_path / "s", record(), resume=False),
        pytest.raises(UsageError, match="another process"),
        SweepWriter(tmp_path / "s", record(), resume=True),
    ):
        pass


def test_a_folder_of_something_else_is_refused_and_left(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a sweep"), SweepWriter(tmp_path, record(), resume=True):
        pass
    (tmp_path / "sweep.json").write_text('{"kind": 3}')
    with pytest.raises(ArtifactError, match=r"sweep.json is damaged.*kind"):
        read_sweep(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_id_is_of_the_runs_and_of_how_much_of_them_is_written():
    assert record().id == record(config={"seed": 0, "pool": 3}).id
    assert len({record().id, record(run="b" * 16).id, record(config={"reports": True}).id}) == 3
