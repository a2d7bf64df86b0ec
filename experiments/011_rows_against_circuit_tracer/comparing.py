"""Both sides on one case: CPU time in turns, memory in processes of their own, and how far their graphs differ."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agreement import differences
from cases import case_of, ours
from theirs import theirs

from mechlab.core.peak_memory import rise_of


def compared(settings: dict[str, Any], number: int, numbers: dict[str, int]) -> dict[str, Any]:
    """Return both sides' CPU time, taken in turns, their memory in processes of their own, and how far they differ."""
    case = case_of(settings, **numbers)
    sides: dict[str, Callable[[], Any]] = {"ours": ours(case), "theirs": theirs(case, settings["at_once"])}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    graphs = {}
    for _ in range(settings["rounds"]):
        for name, graph in sides.items():
            before = time.process_time()
            graphs[name] = graph()
            seconds[name].append(round(time.process_time() - before, 2))
    row = {**numbers, "features": len(graphs["ours"].visited), "cpu_s": seconds}
    row["ratio"] = round(min(seconds["ours"]) / min(seconds["theirs"]), 3)
    row |= {"differences": differences(graphs["ours"], graphs["theirs"]), "missing": graphs["ours"].largest_miss}
    del graphs, sides, case
    row["memory"] = {name: measured_apart(name, number) for name in seconds}
    print(json.dumps(row), flush=True)
    return row


def measured_apart(side: str, number: int) -> dict[str, float]:
    """Return what `memory` finds in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("run.py")), side, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def memory(settings: dict[str, Any], side: str, numbers: dict[str, int]) -> dict[str, float]:
    """Return what is in memory before a graph is made, all loaded, and what its making adds at most, in bytes."""
    case = case_of(settings, **numbers)
    graph = ours(case) if side == "ours" else theirs(case, settings["at_once"])
    del case  # the other side has weights of its own
    return rise_of(graph)._asdict()
