"""Experiment 017: which kind of direction turns stories to a cause, and what does it cost?"""

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from answering import placed, raced_with  # noqa: E402
from subject import Subject, trained  # noqa: E402

import mechlab  # noqa: E402
from mechlab.circuits.channels.head_circuits import head_circuits  # noqa: E402


def main() -> None:
    """Train dictionaries by the command line, choose places, race, and write what is found into result.json.

    A word names the folder of the training's runs. What is in result.json with the same settings is not done again.
    """
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    sweep = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs") / "017_steering_of_stories"
    trained(settings["training"], settings["dictionaries"], settings["seeds"], sweep)
    model = mechlab.load("tales", device="cpu")
    subject, found = Subject(model, head_circuits(model), sweep, settings), found_before(path, settings)
    for name in settings["causes"]:
        if name not in found["places"]:
            found["places"][name] = placed(subject, name)
            path.write_text(json.dumps(found) + "\n")
    for seed, name in product(settings["seeds"], settings["causes"]):
        own = found["causes"].setdefault(name, {})
        if str(seed) not in own:
            own[str(seed)] = raced_with(subject, name, seed, found["places"][name]["taken"])
            path.write_text(json.dumps(found) + "\n")
            print(name, seed, flush=True)


def found_before(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what is known; nothing where the settings were others."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return found if found.get("config") == settings else {"config": settings, "places": {}, "causes": {}}


if __name__ == "__main__":
    main()
