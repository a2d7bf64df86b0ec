"""CPU time of a training step of both sides, and of the dense one on our route and with kept memory; all take turns."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from cases import CASES, Batch, Case, Dense, Ours, batch
from torch import Tensor

from mechlab.core.products import exact_products
from mechlab.core.runtime import keep_freed_memory

ROUNDS = 10


def rows(picked: str) -> Iterator[dict]:
    """Yield a row for each case whose name holds the word."""
    for case in CASES:
        if picked in case.name:
            yield measured(case)


def measured(case: Case) -> dict:
    """Return the median CPU ms of the steps after the first, the ratios, and which part of the codes a step uses."""
    ours, dense, helped = Ours(case), Dense(case), Dense(case)
    ways = {
        "dense_ms": lambda given: as_it_comes(dense, given),
        "dense_helped_ms": lambda given: with_our_route(helped, given),
        "mechlab_ms": lambda given: as_in_training(ours, given),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    used: list[float] = []
    for number in range(ROUNDS):
        given = batch(case, number)
        for name, way in ways.items():
            spent, ids = cpu_ms(way, given)
            times[name].append(spent)
        used.append(share_used(ids, case))
    row = {name: statistics.median(spent[1:]) for name, spent in times.items()}
    pairs = [dense / own for dense, own in zip(times["dense_ms"], times["mechlab_ms"], strict=True)][1:]
    return {
        "case": case.name,
        "used": statistics.median(used),
        **row,
        "ratio": row["dense_ms"] / row["mechlab_ms"],
        "ratios_from_to": [min(pairs), max(pairs)],
        "ratio_helped": row["dense_helped_ms"] / row["mechlab_ms"],
    }


def as_it_comes(side: Dense, given: Batch) -> Tensor:
    """Take a step of the dense side, with large blocks given back when freed, as the C library does by itself."""
    keep_freed_memory(of_any_size=False)
    return side.step(given)


def with_our_route(side: Dense, given: Batch) -> Tensor:
    """Take a step of the dense side with the fastest float32 products of this processor and with kept memory."""
    keep_freed_memory()
    with exact_products():
        return side.step(given)


def as_in_training(side: Ours, given: Batch) -> Tensor:
    """Take a step of ours, which keeps the memory it frees."""
    keep_freed_memory()
    return side.step(given)


def cpu_ms(way: Callable[[Batch], Tensor], given: Batch) -> tuple[float, Tensor]:
    """Return the CPU milliseconds of a step, and the codes it chose."""
    started = time.process_time()
    ids = way(given)
    return 1000 * (time.process_time() - started), ids


def share_used(ids: Tensor, case: Case) -> float:
    """Return which part of all codes is chosen at least once."""
    numbers = ids + case.n_codes * torch.arange(case.n_groups)[:, None]
    return len(numbers.unique()) / (case.n_groups * case.n_codes)
