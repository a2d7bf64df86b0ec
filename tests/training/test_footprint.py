"""The announced footprint is what training takes."""

import os
import subprocess
import sys
from typing import Any

import pytest

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.training.config import TrainConfig
from mechlab.training.footprint import footprint
from mechlab.training.loop import Watcher, fit
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState

MEASURE = """
import sys, torch
from pathlib import Path
from mechlab.dictionaries import KINDS
from mechlab.training.config import TrainConfig
from mechlab.training.run import TrainingRun
from mechlab.training.source import TensorSource
torch.set_num_threads(1)
kind = KINDS[sys.argv[1]]
run = TrainingRun(kind(kind.Config(d_in=64, d_sae=8192)), TensorSource(torch.randn(4096, 64), 4096), TrainConfig())
def peak():  # of this process alone; getrusage's also remembers the process it was forked from
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
before = peak()
for _ in range(2):
    run.advance(*run.next_batch())
print((peak() - before) * 1024)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_is_as_large_as_announced(kind: str, planted: Any) -> None:
    fields = KINDS[kind].Config.model_fields
    few = {name: value for name, value in {"k": 3, "n_layers": 2}.items() if name in fields}
    config = build(KINDS[kind].Config, {"d_in": 20, "d_sae": 64, **few})
    train = TrainConfig(n_tokens=200, batch_size=100, checkpoint_every_steps=2)
    states: list[TrainingState] = []
    dictionary = KINDS[kind](config)
    fit(dictionary, TensorSource(planted.rows, 100), train, Watcher(save=lambda step, state: states.append(state)))
    announced = footprint(KINDS[kind], config, train)
    size = sum(tensor.nbytes for tensor in states[0].tensors.values())
    assert announced.checkpoint == pytest.approx(size, rel=0.1)
    assert announced.dictionary == pytest.approx(sum(p.nbytes for p in dictionary.parameters()), rel=0.05)
    assert announced.n_steps == 2


def test_checkpoints_need_memory_for_their_copy() -> None:
    config = KINDS["relu"].Config(d_in=20, d_sae=64)
    without, with_them = (
        footprint(KINDS["relu"], config, TrainConfig(checkpoint_every_steps=every)) for every in (None, 5)
    )
    assert with_them.memory == without.memory + without.checkpoint


def test_every_nested_prefix_needs_memory_for_its_reconstruction() -> None:
    kind, sizes = KINDS["matryoshka"], {"d_in": 20, "d_sae": 64, "k": 3}
    one, three = (
        footprint(kind, build(kind.Config, {**sizes, "widths": widths}), TrainConfig(batch_size=100))
        for widths in ([64], [4, 16, 64])
    )
    assert three.memory - one.memory == 2 * 100 * 20 * 4 * 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_as_announced(kind: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURE, kind]
    measured = int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    config = KINDS[kind].Config(d_in=64, d_sae=8192)
    announced = footprint(KINDS[kind], config, TrainConfig()).memory
    assert 0.5 * announced < measured < 1.2 * announced
