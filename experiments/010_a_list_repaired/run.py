"""Experiment 010: can an edit of three components repair the recall of lists that are too long for a model?"""

import json
import sys
from pathlib import Path

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from arms import ARMS, Trial, rows_of, subject_of  # noqa: E402
from failing import where_it_fails  # noqa: E402

import mechlab  # noqa: E402
from mechlab.core.runtime import keep_freed_memory  # noqa: E402


def main() -> None:
    """Find where a model fails, search and judge edits with every seed, and write what is found into result.json."""
    torch.set_num_threads(1)
    keep_freed_memory()
    name = sys.argv[1] if len(sys.argv) > 1 else "tales"
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    told = settings["models"].get(name, settings["models"]["others"])
    kept = json.loads(path.read_text()) if path.exists() else {}
    model = mechlab.processed(mechlab.load(name))
    found, failing, known, movers = where_it_fails(model, told["style"], settings)
    found["seeds"] = kept[name]["seeds"] if kept.get(name, {}).get("config") == settings else {}  # goes on where it was
    subject = subject_of(model, told, movers, (failing, known), settings["proposals"])
    rows = rows_of(model, told, settings)
    trials = [Trial(subject, rows, settings, seed) for seed in settings["seeds"]]
    for arm in ARMS:
        for trial in trials:
            arms = found["seeds"].setdefault(str(trial.seed), {})
            if arm not in arms:
                arms[arm] = trial.arm(arm)
                path.write_text(json.dumps({**kept, name: {"config": settings, **found}}, indent=1) + "\n")
                print(trial.seed, arm, json.dumps(arms[arm])[:1500], flush=True)


if __name__ == "__main__":
    main()
