"""Peak memory of a training step beyond codes and moments; each side in a process of its own.

1. Take a step, so that the moments exist, and give freed memory back.
2. Note what is resident, and reset the kernel's high-water mark.
3. Take three steps; the mark's rise is what a step takes beside what was there.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from cases import CASES, Case, Dense, Ours, batch

from mechlab.core.peak_memory import rise_of
from mechlab.core.runtime import keep_freed_memory

N_STEPS = 3
BYTES, COPIES = 4, 3  # of a number in float32; codes, and Adam's two averages of each


def rows(picked: str) -> Iterator[dict]:
    """Yield a row for each case whose name holds the word."""
    for number, case in enumerate(CASES):
        if picked in case.name:
            yield compared(case, *(measured_elsewhere(number, side) for side in ("dense", "mechlab")))


def compared(case: Case, dense_mb: float, mechlab_mb: float) -> dict:
    """Return the row of what both take beyond codes and moments, in MB."""
    held = BYTES * COPIES * case.n_codes * case.d_in / 1e6
    return {
        "case": case.name,
        "dense_mb": dense_mb,
        "mechlab_mb": mechlab_mb,
        "part": mechlab_mb / dense_mb,
        "codes_and_moments_mb": held,
        "part_with_them": (held + mechlab_mb) / (held + dense_mb),
    }


def measured_elsewhere(number: int, side: str) -> float:
    """Return what a fresh process finds."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__)), str(number), side]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def measured_here(case: Case, side: str) -> float:
    """Return by how many MB the steps rise above what is resident before them."""
    torch.set_num_threads(1)
    given = batch(case, 0)
    keep_freed_memory(of_any_size=side == "mechlab")  # the dense side leaves the C library as it is
    trained = Ours(case) if side == "mechlab" else Dense(case)
    trained.step(given)
    return rise_of(lambda: [trained.step(given) for _ in range(N_STEPS)]).extra_bytes / 1e6


if __name__ == "__main__":
    print(json.dumps(measured_here(CASES[int(sys.argv[1])], sys.argv[2])))
