"""A process knows its place from torchrun's environment, and is alone without it."""

import subprocess
import sys

import pytest

from mechlab.core.errors import UsageError
from mechlab.core.processes import Place, this_place

TORCHRUN = {
    "WORLD_SIZE": "4",
    "RANK": "3",
    "LOCAL_WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "1",
}


@pytest.fixture
def environment(monkeypatch):
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_torchrun_a_process_is_alone(environment):
    assert this_place() == Place(0, 1, 0, 1)
    environment.setenv("WORLD_SIZE", "1")
    assert this_place() == Place() and this_place().is_first


def test_torchrun_says_the_place(environment):
    for name, value in TORCHRUN.items():
        environment.setenv(name, value)
    assert this_place() == Place(rank=3, n=4, local_rank=1, n_local=2)
    assert not this_place().is_first
    environment.delenv("LOCAL_RANK"), environment.delenv("LOCAL_WORLD_SIZE")
    assert this_place() == Place(3, 4, 3, 4)


def test_a_world_without_a_meeting_place_is_refused(environment):
    environment.setenv("WORLD_SIZE", "4")
    with pytest.raises(UsageError, match="RANK, MASTER_ADDR, MASTER_PORT not set: start with torchrun"):
        this_place()


def test_a_process_that_ends_at_once_has_said_everything_and_runs_nothing_more() -> None:
    program = """
import atexit, sys
from mechlab.core.processes import end_at_once
atexit.register(print, "taken down")
sys.stdout.write("said")
sys.stderr.write("told")
end_at_once(7)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "said", "told")
