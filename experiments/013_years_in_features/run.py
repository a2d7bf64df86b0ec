"""Experiment 013: through which features does a model that counts years carry a year to the later ones?"""

import json
import sys
from pathlib import Path

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from answering import answers  # noqa: E402
from subject import subject_of, trained  # noqa: E402

import mechlab  # noqa: E402


def main() -> None:
    """Train transcoders and SAEs by the command line, ask every seed's, and write what is found into result.json.

    A word names the folder of the training's runs; a second run takes those that are there.
    """
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    model = mechlab.load("tales", device="cpu")
    sweep = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs") / "013_years_in_features"
    trained(settings["training"], settings["seeds"], model.spec.n_layers, sweep)
    subject = subject_of(model, settings, sweep)
    found = {"config": settings, "seeds": {}}
    for seed in settings["seeds"]:
        found["seeds"][str(seed)] = answers(subject, settings, seed)
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(seed, json.dumps(found["seeds"][str(seed)])[:3000], flush=True)


if __name__ == "__main__":
    main()
