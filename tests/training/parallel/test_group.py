"""Processes that send one another numbers: real ones over gloo, and the threads that stand in for them elsewhere."""

import json
from pathlib import Path

import pytest
import small_crew
import torch
from oracles.thread_group import together

from mechlab.core.errors import UsageError
from mechlab.core.processes import Place
from mechlab.training.parallel.group import Group, _take_gpu

PROGRAM = """
import json, os, sys
from pathlib import Path
import torch
from mechlab.training.parallel.group import PeerLost, is_first_to_fail, join

group = join("cpu")
said = talk(group)
print(json.dumps(said), flush=True)
if sys.argv[1] == "and die":
    if group.rank == 1:
        os._exit(9)
    try:
        group.total(1)
    except PeerLost as error:
        print(error, is_first_to_fail(), is_first_to_fail(), flush=True)
    os._exit(0)
group.leave()
threads = {task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").glob("*")}
assert not any("gloo" in name for name in threads), threads  # one that outlives the group can abort the process
"""
TALK = '''
def talk(group):
    """Return what every method gives, as plain lists."""
    own = torch.tensor([group.rank + 1.0, -group.rank])
    return [
        group.sum_(own.clone()).tolist(),
        group.lowest_(own.clone()).tolist(),
        group.any(torch.tensor([group.rank == 1, False, group.rank == 0])).tolist(),
        group.total(group.rank + 5),
        group.first(group.rank + 7),
        [one.tolist() for one in group.gather(own)],
        [one.tolist() for one in group.gather_ragged(torch.arange(group.rank * 2))],
        group.joined(own[:, None]).flatten().tolist(),
    ]
'''
TWO = [[3, -1], [1, -1], [True, False, True], 11, 7, [[1, 0], [2, -1]], [[], [0, 1]], [1, 0, 2, -1]]
exec(TALK)


def run(tmp_path: Path, *words: str) -> list[tuple[int, str, str]]:
    program = tmp_path / "program.py"
    program.write_text(f"import torch\n{TALK}\n{PROGRAM}")
    return small_crew.outputs(small_crew.start(2, program, *words))


def test_two_processes_hear_one_another(tmp_path: Path) -> None:
    for code, out, err in run(tmp_path, "and part"):
        assert (code, json.loads(out), err) == (0, TWO, "")


def test_threads_hear_the_same() -> None:
    assert together(2, globals()["talk"]) == [TWO, TWO]


def test_who_loses_a_peer_is_told_and_may_say_so_once(tmp_path: Path) -> None:
    (code, out, _), (dead, _, _) = run(tmp_path, "and die")
    assert (code, dead) == (0, 9)
    assert out.splitlines()[1].endswith("start all of them again, with --resume if there is a checkpoint True False")


def test_several_processes_need_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    _take_gpu("auto", Place(3, 4, 1, 2))
    assert taken == [1]
    with pytest.raises(UsageError, match="need a GPU each: 'cuda:0'"):
        _take_gpu("cuda:0", Place(0, 2, 0, 2))
    with pytest.raises(UsageError, match="more processes than GPUs: 3"):
        _take_gpu("cuda", Place(0, 3, 0, 3))


def test_a_group_knows_its_size() -> None:
    group = Group(Place(2, 5))
    assert (group.rank, group.n) == (2, 5)
