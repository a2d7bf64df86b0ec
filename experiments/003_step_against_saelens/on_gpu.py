"""Experiment 003 on a GPU: steps of both trainers, and the kernels of sparse codes, beside what the GPU gives at most.

1. The same cases as on the CPU, and larger ones; steps take turns; the figure is the median time of a step.
2. The operations of a step's matrix products are counted as they run, and give its TFLOP/s; sums over kept codes are
   left out of the count.
3. A kernel's GB/s are the bytes of the rows it was told to read and write, over its median time: rows that stay in the
   GPU's cache make it more than memory gives.
4. The peaks are measured: a product of large square matrices, and a copy of a large block.

`python experiments/003_step_against_saelens/on_gpu.py` writes `result_on_gpu.json`; a word picks cases.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from cases import Case, both, cases  # noqa: E402

from mechlab.dictionaries import sparse  # noqa: E402
from mechlab.dictionaries.sparse import Kept  # noqa: E402
from mechlab.dictionaries.triton_route import kernels_for  # noqa: E402
from mechlab.training.run import TrainingRun  # noqa: E402

WARM, ROUNDS = 5, 20
LARGE = Case("topk", 65536, 8192, options={"k": 64})
KERNELS = {"batch": 8192, "k": 64, "d_sae": 65536, "width": 768}


def main() -> None:
    """Measure the peaks, the kernels, and every case or those whose name holds the word given; write the result."""
    if not torch.cuda.is_available():
        print("on_gpu.py needs a GPU that PyTorch can use; run.py measures on the CPU.", file=sys.stderr)
        sys.exit(2)
    device = torch.device("cuda")
    result: dict[str, Any] = {"device": torch.cuda.get_device_name(device), "torch": torch.__version__}
    result["peaks"] = peaks(device)
    result["kernels"] = kernel_rows(device, result["peaks"]["copy_gb_per_s"], **KERNELS)
    chosen = [case for case in [*cases(), LARGE] if len(sys.argv) < 2 or sys.argv[1] in case.name]
    result["rows"] = [measured(case, device, result["peaks"]) for case in chosen]
    if len(sys.argv) < 2:
        (HERE / "result_on_gpu.json").write_text(json.dumps(result, indent=1) + "\n")


def peaks(device: torch.device, size: int = 8192, n_bytes: int = 1 << 31) -> dict[str, float]:
    """Return TFLOP/s of a product of square matrices by precision, and GB/s of a copy, reading and writing together."""
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        left, right = torch.randn(2, size, size, device=device).to(dtype)
        found[f"{precision_of(dtype)}_tflops"] = 2 * size**3 / seconds(lambda a=left, b=right: a @ b, device) / 1e12
    block, copy = torch.empty(2, n_bytes, dtype=torch.uint8, device=device)
    found["copy_gb_per_s"] = 2 * n_bytes / seconds(lambda: copy.copy_(block), device) / 1e9
    print(found, flush=True)
    return found


def measured(case: Case, device: torch.device, peak: dict[str, float]) -> dict[str, Any]:
    """Return both trainers' milliseconds, TFLOP/s and extra memory per step, and ours beside the peak."""
    run, trainer, rows = moved(case, device)
    precision = "bfloat16" if trainer.cfg.autocast else "float32"
    sides = {"saelens": lambda: trainer.step(rows), "mechlab": lambda: run.advance(rows, rows)}
    times: dict[str, list[float]] = {name: [] for name in sides}
    row: dict[str, Any] = {"case": case.name, "precision": precision}
    for step in range(WARM + ROUNDS):
        for name, work in sides.items():
            if case.regime == "dead":
                make_dead(case, run, trainer)
            if step == WARM:
                row[f"{name}_gflop"], row[f"{name}_extra_gb"] = flops_of(work) / 1e9, extra_memory_of(work, device)
            times[name].append(once(work, device))
    for name in sides:
        row[f"{name}_ms"] = 1000 * statistics.median(times[name][WARM:])
        row[f"{name}_tflops"] = row[f"{name}_gflop"] / row[f"{name}_ms"]
    row["ratio"] = row["saelens_ms"] / row["mechlab_ms"]
    row["mechlab_of_peak"] = row["mechlab_tflops"] / peak[f"{precision}_tflops"]
    print(row, flush=True)
    return row


def moved(case: Case, device: torch.device) -> tuple[TrainingRun, Any, Tensor]:
    """Return both trainers and their batch on the device."""
    run, trainer, rows = both(case)
    rows = rows.to(device)
    theirs = type(trainer)(replace(trainer.cfg, device=str(device)), trainer.sae.to(device), iter([]))
    return TrainingRun(run.dictionary.to(device), run.source, run.config), theirs, rows


def make_dead(case: Case, run: TrainingRun, trainer: Any) -> None:
    """Let both trainers think that a tenth of the features is dead."""
    run.tokens_since_fired[: case.d_sae // 10] = run.config.dead_after_tokens + 1
    trainer.n_forward_passes_since_fired[: case.d_sae // 10] = trainer.cfg.dead_feature_window + 1


def kernel_rows(
    device: torch.device, copy_gb_per_s: float, *, batch: int, k: int, d_sae: int, width: int
) -> list[dict[str, Any]]:
    """Return each sparse operation's milliseconds and GB/s by PyTorch's operations and, where there are, by kernels."""
    draw = torch.Generator().manual_seed(0)
    kept = Kept.fixed(torch.rand(batch, d_sae, generator=draw).topk(k).indices.to(device), d_sae)
    weights, rows = (torch.randn(shape, generator=draw).to(device) for shape in ((batch * k,), (batch, width)))
    table, few = torch.randn(d_sae, width, generator=draw).to(device), 4 * batch * k
    operations: dict[str, tuple[Callable[[Tensor], Tensor], Tensor, int]] = {
        "decode": (lambda of: sparse.decode_kept(weights, of, kept), table, few + 4 * batch * width),
        "sum by feature": (lambda of: sparse.sum_by_feature(weights, of, kept), rows, few + 4 * d_sae * width),
        "dot products": (lambda of: sparse.dot_rows(rows, of, kept), table, few + 4 * batch * width),
    }
    routes = [("pytorch", torch.float32)]
    if kernels_for(table) is not None:
        routes += [("triton", torch.float32), ("triton", torch.bfloat16)]
    found = []
    for name, (work, of, others) in operations.items():
        for route, dtype in routes:
            told = batch * k * width * dtype.itemsize + others
            stored, route_for = of.to(dtype), kernels_for if route == "triton" else lambda tensor: None
            with patch.object(sparse, "kernels_for", route_for):
                taken = seconds(lambda work=work, stored=stored: work(stored), device)
            row = {"operation": name, "route": route, "table": precision_of(dtype), "ms": 1000 * taken}
            row |= {"gb_per_s": told / taken / 1e9, "of_copy": told / taken / 1e9 / copy_gb_per_s}
            print(row, flush=True)
            found.append(row)
    return found


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the median time of a call, the first ones left out."""
    return statistics.median([once(work, device) for _ in range(WARM + ROUNDS)][WARM:])


def once(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of one call, until the device is done with it."""
    finish(device)
    started = time.perf_counter()
    work()
    finish(device)
    return time.perf_counter() - started


def flops_of(work: Callable[[], object]) -> int:
    """Return how many operations the matrix products of a call take."""
    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return counter.get_total_flops()


def extra_memory_of(work: Callable[[], object], device: torch.device) -> float | None:
    """Return by how many GB a call's peak exceeds what was allocated before it; None where that is not counted."""
    if device.type != "cuda":
        return None
    finish(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    finish(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 1e9


def finish(device: torch.device) -> None:
    """Wait until the device has done all it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def precision_of(dtype: torch.dtype) -> str:
    """Return the name of a type as configs write it."""
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    main()
