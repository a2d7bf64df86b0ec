"""Experiment 014: do effects of features that attribution graphs predict agree with those that are measured?"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from answering import answers  # noqa: E402
from subject import trained, transcoders_of  # noqa: E402

import mechlab  # noqa: E402


def main() -> None:
    """Train transcoders by the command line, measure with every seed's, and write what is found into result.json.

    A word names the folder of the training's runs; a second run takes those that are there.
    """
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    model = mechlab.load("tales", device="cpu")
    sweep = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs") / "014_effects_of_features"
    trained(settings["training"], settings["seeds"], model.spec.n_layers, sweep)
    found: dict[str, Any] = {"config": settings, "seeds": {}}
    for seed in settings["seeds"]:
        found["seeds"][str(seed)] = answers(model, transcoders_of(model, sweep, seed), settings, seed)
        path.write_text(json.dumps(found) + "\n")
        print(seed, flush=True)


if __name__ == "__main__":
    main()
