"""CPU time of a training step of both sides, which take turns; each case in a process of its own.

A third process measures the dense side once more, with what else makes our steps quick: the fastest exact products of
this processor, and freed memory that is kept.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from cases import CASES, Batch, Case, Dense, Ours, batch
from torch import Tensor

from mechlab.core.products import exact_products
from mechlab.core.runtime import keep_freed_memory

ROUNDS = 12


def rows(picked: str) -> Iterator[dict]:
    """Yield a row for each case whose name holds the word."""
    for number, case in enumerate(CASES):
        if picked in case.name:
            yield {"case": case.name} | joined(measured_elsewhere(number, "both"), measured_elsewhere(number, "helped"))


def joined(both: dict, helped: dict) -> dict:
    """Return the row: what the two processes found, and the helped dense side's ratio to ours."""
    return both | helped | {"ratio_helped": helped["dense_helped_ms"] / both["mechlab_ms"]}


def measured_elsewhere(number: int, what: str) -> dict:
    """Return what a fresh process finds."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__)), str(number), what]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def both_sides(case: Case) -> dict:
    """Return the median CPU ms of the steps after the first, their ratio, and which part of the codes a step uses."""
    ours, dense, used = Ours(case), Dense(case), []
    times: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        given = batch(case, number)
        keep_freed_memory(of_any_size=False)  # large blocks are given back when freed, as the C library does by itself
        of_dense, ids = cpu_ms(dense.step, given)
        keep_freed_memory()  # as training does
        times.append((of_dense, cpu_ms(ours.step, given)[0]))
        used.append(share_used(ids, case))
    of_dense, own = (statistics.median(side[1:]) for side in zip(*times, strict=True))
    ratios = sorted(left / right for left, right in times[1:])
    return {
        "used": statistics.median(used),
        "dense_ms": of_dense,
        "mechlab_ms": own,
        "ratio": of_dense / own,
        "ratio_from_to": [ratios[0], ratios[-1]],
    }


def dense_helped(case: Case) -> dict:
    """Return the median CPU ms of the dense side's steps on the quickest exact route and with kept memory."""
    keep_freed_memory()
    side = Dense(case)
    with exact_products():
        times = [cpu_ms(side.step, batch(case, number))[0] for number in range(ROUNDS)]
    return {"dense_helped_ms": statistics.median(times[1:])}


def cpu_ms(step: Callable[[Batch], Tensor], given: Batch) -> tuple[float, Tensor]:
    """Return the CPU milliseconds of a step, and the codes it chose."""
    started = time.process_time()
    ids = step(given)
    return 1000 * (time.process_time() - started), ids


def share_used(ids: Tensor, case: Case) -> float:
    """Return which part of all codes is chosen at least once."""
    numbers = ids + case.n_codes * torch.arange(case.n_groups)[:, None]
    return len(numbers.unique()) / (case.n_groups * case.n_codes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure = {"both": both_sides, "helped": dense_helped}[sys.argv[2]]
    print(json.dumps(measure(CASES[int(sys.argv[1])])))
