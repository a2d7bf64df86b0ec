"""A state is all a killed process needs to end in the bytes of one that was never killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch

from mechlab.training.state import prefixed, unprefixed

RUN = """
import json, sys, time
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from mechlab.dictionaries.batchtopk import BatchTopKConfig, BatchTopKDictionary
from mechlab.training.config import TrainConfig
from mechlab.training.loop import Watcher, fit
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState

folder, pause = Path(sys.argv[1]), float(sys.argv[2])
torch.set_num_threads(1)
rows = torch.randn(1000, 16, generator=torch.Generator().manual_seed(0))

def save(step, state):
    save_file(state.tensors, folder / "writing")
    (folder / "numbers.json.new").write_text(json.dumps(state.numbers))
    (folder / "writing").rename(folder / f"{step:04d}.safetensors")
    (folder / "numbers.json.new").rename(folder / f"{step:04d}.json")
    print(step, flush=True)
    time.sleep(pause)

whole = sorted(folder.glob("*.json"))
resume = None
if whole:
    resume = TrainingState(load_file(whole[-1].with_suffix(".safetensors")), json.loads(whole[-1].read_text()))
    print("resumed", int(resume.numbers["step"]), flush=True)
dictionary = BatchTopKDictionary(BatchTopKConfig(d_in=16, d_sae=64, k=4))
config = TrainConfig(n_tokens=6000, batch_size=100, lr=1e-2, dead_after_tokens=300, checkpoint_every_steps=5)
fit(dictionary, TensorSource(rows, 100), config, Watcher(save=save), resume)
save_file(dictionary.state_dict(), folder / "final")
"""


def start(folder: Path, pause: float) -> "subprocess.Popen[str]":
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", RUN, str(folder), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    untouched, victim = start(tmp_path / "whole", 0), start(tmp_path / "killed", 0.2)
    assert victim.stdout is not None
    for _ in range(4):
        victim.stdout.readline()
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "final").exists()
    second = start(tmp_path / "killed", 0)
    said, _ = second.communicate(timeout=60)
    assert "resumed 20" in said or "resumed 25" in said
    assert second.returncode == 0 and untouched.wait(timeout=60) == 0
    assert (tmp_path / "killed" / "final").read_bytes() == (tmp_path / "whole" / "final").read_bytes()


def test_prefixes_keep_tensors_apart() -> None:
    tensors = {**prefixed("a", {"x/y": torch.ones(2)}), **prefixed("ab", {"x": torch.zeros(2)})}
    assert set(tensors) == {"a/x/y", "ab/x"}
    assert set(unprefixed("a", tensors)) == {"x/y"}
    assert set(unprefixed("ab", tensors)) == {"x"}
