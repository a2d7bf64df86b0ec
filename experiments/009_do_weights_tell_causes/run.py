"""Experiment 009: do the weights alone tell which components of heads matter to a later head?"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from controls import controlled  # noqa: E402
from measuring import Question, asked_of, ranks, receivers_of  # noqa: E402

import mechlab  # noqa: E402
from mechlab.circuits.channels.channel_map import channel_map  # noqa: E402
from mechlab.models.processing import processed  # noqa: E402
from mechlab.models.sites import MODES  # noqa: E402


def main() -> None:
    """Rank the components before every receiver by weights and by effects, and write what is found into result.json.

    A word names another model than `tales`; its result is written beside.
    """
    torch.set_num_threads(1)
    settings: dict[str, Any] = yaml.safe_load((HERE / "config.yaml").read_text())
    name = sys.argv[1] if len(sys.argv) > 1 else "tales"
    if name != "tales":
        settings["task"]["style"] = "plain"
    model = processed(mechlab.load(name))
    question = Question(model, channel_map(model), asked_of(model, settings, settings["seeds"][0]), settings)
    path = HERE / ("result.json" if name == "tales" else f"result-{Path(name).name}.json")
    found: dict[str, Any] = {"model": name, "config": settings}
    found["heads"], receivers = receivers_of(question)
    found["receivers"] = []
    for head in receivers:
        for mode in MODES:
            found["receivers"].append(ranks(question, head, mode))
            path.write_text(json.dumps(found, indent=1) + "\n")
            print(json.dumps(found["receivers"][-1])[:600], flush=True)
    fresh = Question(model, question.map, asked_of(model, settings, settings["seeds"][1]), settings)
    found["controls"] = [controlled(fresh, row) for row in found["receivers"]]
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
