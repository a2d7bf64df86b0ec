"""Experiment 012: do cheap scores of edges find the edges that matter for IOI?"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from judging import judged  # noqa: E402
from scoring import agreement, scored, strongest, timed  # noqa: E402

import mechlab  # noqa: E402
from mechlab.models.language_model import LanguageModel  # noqa: E402
from mechlab.store.provenance import processor  # noqa: E402


def main() -> None:
    """Score edges, compare the scores, and judge circuits, case by case; write what is found into result.json."""
    torch.set_num_threads(1)
    settings: dict[str, Any] = yaml.safe_load((HERE / "config.yaml").read_text())
    model: LanguageModel = mechlab.load(settings["model"])
    result: dict[str, Any] = {"config": settings, "processor": processor(), "cases": []}
    for corruption, seed in settings["cases"]:
        result["cases"].append({"corruption": corruption, "seed": seed, **case(model, settings, corruption, seed)})
        (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n")
        print(corruption, seed, flush=True)
    prompts = mechlab.prompt_pairs(model.tokenizer, "ioi", **settings["task"], seed=settings["cases"][0][1])
    result["cpu_s"] = timed(model, prompts, settings)
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n")


def case(model: LanguageModel, settings: dict[str, Any], corruption: str, seed: int) -> dict[str, Any]:
    """Return what is found for one corruption and one set of prompts."""
    chosen_on, judged_on = (
        mechlab.prompt_pairs(model.tokenizer, "ioi", **settings["task"], seed=one, corruption=corruption)
        for one in (seed, seed + settings["fresh"])
    )
    scores = scored(model, chosen_on, settings)
    return {
        "agreement": {
            name: agreement(one, scores["exact"], settings["shuffles"])
            for name, one in scores.items()
            if name != "exact"
        },
        "strongest": {name: strongest(one) for name, one in scores.items()},
        "faithfulness": judged(model, judged_on, scores, settings["draws"]),
    }


if __name__ == "__main__":
    main()
