"""Experiment 012: do cheap scores of edges find the edges that matter for IOI?"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from judging import judged  # noqa: E402
from reasons import reasons  # noqa: E402
from scoring import CHEAP, agreement, scored, strongest, timed  # noqa: E402

import mechlab  # noqa: E402
from mechlab.models.language_model import LanguageModel  # noqa: E402
from mechlab.store.provenance import processor  # noqa: E402


def main() -> None:
    """Score edges, compare the scores, judge circuits and ask why, case by case; write what is found into result.json.

    Cases that are there already, by these settings, are kept.
    """
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    model = mechlab.load(settings["model"])
    result = json.loads(path.read_text()) if path.exists() else {}
    if result.get("config") != settings:
        result = {"config": settings, "processor": processor(), "cases": {}}
    for corruption, seed in itertools.product(settings["corruptions"], settings["seeds"]):
        if (name := f"{corruption}, {seed}") not in result["cases"]:
            result["cases"][name] = case(model, settings, corruption, seed)
            path.write_text(json.dumps(result, indent=1) + "\n")
            print(name, flush=True)
    prompts = mechlab.prompt_pairs(model.tokenizer, "ioi", **settings["task"], seed=settings["seeds"][0])
    path.write_text(json.dumps({**result, "cpu_s": timed(model, prompts, settings)}, indent=1) + "\n")


def case(model: LanguageModel, settings: dict[str, Any], corruption: str, seed: int) -> dict[str, Any]:
    """Return what is found for one corruption and one set of prompts."""
    chosen_on, judged_on = (
        mechlab.prompt_pairs(model.tokenizer, "ioi", **settings["task"], seed=one, corruption=corruption)
        for one in (seed, seed + settings["fresh"])
    )
    scores = scored(model, chosen_on, settings)
    return {
        "agreement": {name: agreement(scores[name], scores["exact"], settings["shuffles"]) for name in CHEAP},
        "strongest": {name: strongest(one) for name, one in scores.items()},
        "faithfulness": judged(model, judged_on, scores, settings["draws"]),
        "reasons": reasons(model, chosen_on, judged_on, scores, settings),
    }


if __name__ == "__main__":
    main()
