"""Experiment 003: how much CPU time does one training step take beside SAELens's, at the same update?"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from cases import Case, both, cases  # noqa: E402

from mechlab.core.products import routes  # noqa: E402
from mechlab.core.runtime import keep_freed_memory  # noqa: E402
from mechlab.store.provenance import processor  # noqa: E402
from mechlab.training.run import TrainingRun  # noqa: E402

UPDATES, ROUNDS, ALONE = 12, 4, "--alone"


def main() -> None:
    """Measure every case, or those whose name holds the word given, and write them into result.json."""
    torch.set_num_threads(1)
    if ALONE in sys.argv:
        print(json.dumps(measured(next(case for case in cases() if case.name == sys.argv[-1]))))
        return
    path, chosen = HERE / "result.json", [case for case in cases() if len(sys.argv) < 2 or sys.argv[1] in case.name]
    machines = json.loads(path.read_text())["machines"] if path.exists() else {}
    here = machines.setdefault(processor(), {})
    here |= {"products": routes(), "torch": torch.__version__, "threads": 1}
    rows = {row["case"]: row for row in here.get("rows", [])}
    for case in chosen:
        rows[case.name] = measured_alone(case)
        print(rows[case.name], flush=True)
        here["rows"] = list(rows.values())
        path.write_text(json.dumps({"machines": machines}, indent=1) + "\n")


def measured_alone(case: Case) -> dict:
    """Return what a process of its own measures, whose memory no other case has used before."""
    command = [sys.executable, str(HERE / "run.py"), ALONE, case.name]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def measured(case: Case) -> dict:
    """Return CPU ms per step of both, their ratio, and how far apart twelve updates have brought the parameters."""
    run, trainer, rows = both(case)
    before = run.dictionary.W_dec.detach().clone()
    times: list[tuple[float, float]] = []
    for step in range(UPDATES if case.precision == "float32" else ROUNDS):
        if case.regime == "dead":
            run.tokens_since_fired[: case.d_sae // 10] = run.config.dead_after_tokens + 1
            trainer.n_forward_passes_since_fired[: case.d_sae // 10] = trainer.cfg.dead_feature_window + 1
        if step < ROUNDS or case.regime != "dead":
            times.append((cpu_ms(lambda: step_theirs(trainer, rows)), cpu_ms(lambda: step_ours(run, rows))))
    change = (trainer.sae.W_dec - before).norm()
    apart = float((trainer.sae.W_dec - run.dictionary.W_dec).norm() / change)
    theirs, ours = (statistics.median(side[1:]) for side in zip(*times, strict=True))
    row = {"case": case.name, "saelens_ms": theirs, "mechlab_ms": ours, "ratio": theirs / ours, "target": case.target}
    return row | {"parameters_apart": apart, "updates": len(times)}


def step_ours(run: TrainingRun, rows: torch.Tensor) -> None:
    """Take one step of ours, which keeps the memory it frees."""
    keep_freed_memory()
    run.advance(rows, rows)


def step_theirs(trainer: object, rows: torch.Tensor) -> None:
    """Take one step of SAELens's trainer, with large blocks given back when freed, as the C library does by itself."""
    keep_freed_memory(of_any_size=False)
    trainer.step(rows)  # pyright: ignore[reportAttributeAccessIssue]
    trainer.n_training_steps += 1  # pyright: ignore[reportAttributeAccessIssue]


def cpu_ms(work: object) -> float:
    """Return the CPU milliseconds of a call."""
    started = time.process_time()
    work()  # pyright: ignore[reportCallIssue]
    return 1000 * (time.process_time() - started)


if __name__ == "__main__":
    main()
