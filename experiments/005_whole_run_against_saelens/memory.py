"""Peak memory of a training step beyond parameters and optimiser state; each side in a process of its own.

1. Build one side's trainer, take a step so that the optimiser's state exists, and give freed memory back.
2. Note what is resident, and reset the kernel's high-water mark.
3. Take three steps; the mark's rise is what a step takes beside what was there.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from cases import CASES, Case, Ours, Theirs, batch

from mechlab.core.peak_memory import rise_of
from mechlab.core.runtime import keep_freed_memory

N_STEPS = 3


def rows(picked: str) -> Iterator[dict]:
    """Yield a row for each case whose name holds the word: MB of both, and their ratio."""
    for number, case in enumerate(CASES):
        if picked in case.name:
            yield compared(number, case)


def compared(number: int, case: Case) -> dict:
    """Return one row."""
    ours, theirs = (measured_elsewhere(number, side) for side in ("mechlab", "saelens"))
    return {
        "case": case.name,
        "saelens_mb": theirs["extra_mb"],
        "mechlab_mb": ours["extra_mb"],
        "ratio": ours["extra_mb"] / theirs["extra_mb"],
        "wanted": case.wanted,
        "resident_before_mb": {"saelens": theirs["before_mb"], "mechlab": ours["before_mb"]},
    }


def measured_elsewhere(number: int, side: str) -> dict[str, float]:
    """Return what a fresh process finds."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__)), str(number), side]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def measured_here(case: Case, side: str) -> dict[str, float]:
    """Return MB resident before the steps, and how far they rise above it."""
    torch.set_num_threads(1)
    given = batch()
    trainer = Ours(case, given)
    if side == "saelens":
        trainer = Theirs(case, trainer.parameters())
        keep_freed_memory(of_any_size=False)  # SAELens leaves the C library as it is
    trainer.step(given)
    rise = rise_of(lambda: [trainer.step(given) for _ in range(N_STEPS)])
    return {"before_mb": rise.before_bytes / 1e6, "extra_mb": rise.extra_bytes / 1e6}


if __name__ == "__main__":
    print(json.dumps(measured_here(CASES[int(sys.argv[1])], sys.argv[2])))
