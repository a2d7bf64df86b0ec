"""Experiment 004: is every kind that SAELens has too as good as SAELens's, on text and on known directions?"""

import itertools
import json
import sys
from pathlib import Path

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from arms import ARMS, rows_of  # noqa: E402
from comparing import compared  # noqa: E402
from synthetic import Synthetic  # noqa: E402
from tales import Tales  # noqa: E402

from mechlab.training.config import TrainConfig  # noqa: E402

DATA = {"tales": Tales, "synthetic": Synthetic, "many_features": Tales}


def main() -> None:
    """Train and judge what result.json does not hold yet, of all arms or of those named; write it after each."""
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    rows = result["rows"] if result.get("config") == settings else []
    for seed, data in itertools.product(settings["seeds"], DATA):
        own = settings[data]
        done = {(row["kind"], row["arm"]) for row in rows if (row["data"], row["seed"]) == (data, seed)}
        world = DATA[data](own, seed, TrainConfig(**settings["training"] | own.get("training", {})))
        for row in rows_of(world, own["kinds"], own["features"], done, sys.argv[1:] or list(ARMS)):
            rows.append({"data": data, **row})
            print(rows[-1], flush=True)
            gaps = {arm: compared(rows, arm, "saelens") for arm in ARMS if arm != "saelens"}
            path.write_text(json.dumps({"config": settings, "rows": rows, "minus_saelens": gaps}, indent=1) + "\n")


if __name__ == "__main__":
    main()
