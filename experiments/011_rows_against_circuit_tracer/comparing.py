"""Both sides on one case: CPU time in turns, memory in processes of their own, and how far their graphs differ."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agreement import differences
from cases import Case, case_of, ours

from mechlab.core.peak_memory import rise_of

SIDES = ("ours", "ours_held", "theirs", "theirs_as_it_comes")
"""Weights of transcoders are read when they are used, or held; as circuit-tracer comes it holds encoders."""


def side(name: str, case: Case, at_once: int) -> Callable[[], Any]:
    """Return what makes a side's graph, all that it holds loaded."""
    if name.startswith("ours"):
        return ours(case, on_use=name == "ours")
    from theirs import theirs  # loads the other side's libraries, which ours does without

    return theirs(case, at_once, lazy_encoder=name == "theirs")


def compared(settings: dict[str, Any], number: int, folder: Path) -> dict[str, Any]:
    """Return each side's CPU time, taken in turns, its memory in a process of its own, and how far graphs differ."""
    numbers = settings["cases"][number]
    case = case_of(settings, folder, **numbers)
    sides = {name: side(name, case, settings["at_once"]) for name in SIDES}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    graphs = {}
    for _ in range(settings["rounds"]):
        for name, graph in sides.items():
            before = time.process_time()
            graphs[name] = graph()
            seconds[name].append(round(time.process_time() - before, 2))
    row = {**numbers, "features": len(graphs["ours"].visited), "cpu_s": seconds}
    row |= {"differences": differences(graphs["ours"], graphs["theirs"]), "missing": graphs["ours"].largest_miss}
    del graphs, sides, case
    row["memory"] = {name: measured_apart(name, number, folder) for name in seconds}
    row["cpu_ratios"] = {name: round(min(seconds["ours"]) / min(taken), 3) for name, taken in seconds.items()}
    totals = {name: sum(found.values()) for name, found in row["memory"].items()}
    row["memory_ratios"] = {name: round(totals["ours"] / total, 3) for name, total in totals.items()}
    print(json.dumps(row), flush=True)
    return row


def measured_apart(name: str, number: int, folder: Path) -> dict[str, float]:
    """Return what `memory` finds in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("run.py")), name, str(number), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def memory(settings: dict[str, Any], name: str, number: int, folder: Path) -> dict[str, float]:
    """Return what is in memory before a graph is made, all loaded, and what its making adds at most, in bytes."""
    case = case_of(settings, folder, **settings["cases"][number])
    graph = side(name, case, settings["at_once"])
    del case  # the other side has weights of its own
    return rise_of(graph)._asdict()
