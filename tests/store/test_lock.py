"""One writer per folder."""

import os
import signal
import time

import pytest

from mechlab.core.errors import UsageError
from mechlab.store.lock import LOCK_NAME, FolderLock


def test_a_second_writer_is_told_which_process_is_the_first(tmp_path):
    first = FolderLock(tmp_path / "a")
    first.acquire()
    with pytest.raises(UsageError, match=rf"another process is writing this run: .* process {os.getpid()},"):
        FolderLock(tmp_path / "a").acquire()
    first.release()


def test_the_process_named_is_the_one_that_holds_it_now(tmp_path):
    (tmp_path / LOCK_NAME).write_text("123456789012345")
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert (tmp_path / LOCK_NAME).read_text() == str(os.getpid())
    lock.release()


def test_a_released_lock_can_be_taken_again(tmp_path):
    for _ in range(2):
        lock = FolderLock(tmp_path / "a")
        lock.acquire()
        assert lock.held
        lock.release()
        assert not lock.held


def test_a_lock_dies_with_its_process(tmp_path, killed):
    def hold():
        FolderLock(tmp_path / "a").acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    killed(hold)
    assert (tmp_path / "a" / LOCK_NAME).exists()
    lock = FolderLock(tmp_path / "a")
    lock.acquire()
    lock.release()


def test_another_process_holds_it_as_well(tmp_path):
    ready, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            FolderLock(tmp_path / "a").acquire()
            os.write(report, b"x")
            time.sleep(60)
        finally:
            os._exit(1)
    try:
        assert os.read(ready, 1) == b"x"
        with pytest.raises(UsageError, match=f"process {child},"):
            FolderLock(tmp_path / "a").acquire()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_folder_renamed_between_opening_and_locking_is_made_anew(tmp_path, monkeypatch):
    import fcntl

    real, calls = fcntl.flock, []

    def flock(descriptor, how):
        if not calls:
            (tmp_path / "a").rename(tmp_path / "b")
        calls.append(how)
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = FolderLock(tmp_path / "a")
    lock.acquire()
    assert len(calls) == 2
    assert (tmp_path / "a" / LOCK_NAME).read_text() == str(os.getpid())
    lock.release()


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(UsageError, match="cannot write"):
        FolderLock(tmp_path / "a").acquire()
