"""Experiment 006: can a model whose hidden states are a few codes run a finite-state machine, and do codes mean it?"""

import json
import sys
import time
from pathlib import Path

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from acting import left_of_the_difference  # noqa: E402
from arms import Rollouts, with_codes  # noqa: E402
from judging import codes_and_states, held_out, knowledge  # noqa: E402
from machine_model import trained_base  # noqa: E402

from mechlab.corpora.tokfsm.machine import Machine  # noqa: E402


def main() -> None:
    """Train and judge every arm of every seed that result.json does not hold yet, or of the seeds named."""
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    for seed in [int(word) for word in sys.argv[1:]] or settings["seeds"]:
        for row in rows_of(settings, seed):
            print(row, flush=True)
            found = json.loads(path.read_text()) if path.exists() else {}
            rows = found["rows"] if found.get("config") == settings else []
            kept = [one for one in rows if (one["seed"], one["arm"]) != (row["seed"], row["arm"])]
            path.write_text(json.dumps({"config": settings, "rows": [*kept, row]}, indent=1) + "\n")


def rows_of(settings: dict, seed: int):
    """Yield what is found of the model before there are codes and of each arm, with the CPU seconds of training."""
    machine, length = Machine.drawn(), settings["row_length"]
    started = time.process_time()
    base = trained_base(machine, length, settings["base"], seed)
    spent = round(time.process_time() - started, 1)
    judged = settings["judged"]
    yield {"seed": seed, "arm": "no codes", "cpu_s": spent, **knowledge(base, machine, length, judged, seed)}
    source = Rollouts(machine, settings["batch_rows"], length, seed)
    tokens = held_out(machine, length, judged["rows"], seed)
    for name, arm in settings["arms"].items():
        started = time.process_time()
        model = with_codes(base, arm, source, settings["finetune"])
        row = {"seed": seed, "arm": name, "cpu_s": round(time.process_time() - started, 1)}
        row |= knowledge(model, machine, length, judged, seed)
        if "mlp_out" in arm["sites"]:
            row |= codes_and_states(model, base, machine, tokens, seed)
        yield {**row, "left_of_the_difference": left_of_the_difference(model, machine, judged["pairs"], seed)}


if __name__ == "__main__":
    main()
