"""A training step takes a small part of the CPU time of SAELens's own trainer, at the same update.

The floors are half of what an idle machine measures; experiments/003 has the figures at full size.
"""

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from oracles.saelens_trainer import SaeLensTrainer

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.training.config import TrainConfig
from mechlab.training.run import TrainingRun
from mechlab.training.source import TensorSource

D_IN, D_SAE, BATCH, N_PAIRS, N_TRIES = 256, 4096, 1024, 3, 2
CASES = [("topk", {"k": 32}, 3.0), ("batchtopk", {"k": 32}, 3.0), ("relu", {}, 1.1)]


def both_steps(kind: str, options: dict[str, object]) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return a step of SAELens's trainer and one of ours, from the same parameters on the same batch."""
    rows = torch.randn(BATCH, D_IN, generator=torch.Generator().manual_seed(0))
    dictionary = KINDS[kind](build(KINDS[kind].Config, {"d_in": D_IN, "d_sae": D_SAE, **options}))
    config = TrainConfig(n_tokens=10**9, batch_size=BATCH, dead_after_tokens=10**8, normalization="none")
    theirs = SaeLensTrainer(dictionary, config, options, torch.float32)
    run = TrainingRun(dictionary, TensorSource(rows, BATCH), config)
    return lambda: theirs.step(rows), lambda: run.advance(rows, rows)


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def measured_ratio(theirs: Callable[[], object], ours: Callable[[], object]) -> float:
    """Return SAELens's CPU time as a multiple of ours: the median of pairs that follow one another."""
    return statistics.median(cpu_seconds(theirs) / cpu_seconds(ours) for _ in range(N_PAIRS))


@pytest.mark.parametrize(("kind", "options", "floor"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_step_takes_a_small_part_of_the_time_of_saelens(kind: str, options: dict[str, object], floor: float) -> None:
    theirs, ours = both_steps(kind, options)
    theirs(), ours()  # the first step of each sets its optimiser up
    ratios = []
    while not ratios or (ratios[-1] < floor and len(ratios) < N_TRIES):
        ratios.append(measured_ratio(theirs, ours))
    assert max(ratios) >= floor, ratios
