"""Experiment 004: is every kind that SAELens has too as good as SAELens's, on text and on known directions?"""

import itertools
import json
import sys
from pathlib import Path

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from arms import ARMS, FROM_MEAN, FROM_ZERO, rows_of  # noqa: E402
from comparing import compared  # noqa: E402
from synthetic import Synthetic  # noqa: E402
from tales import Tales  # noqa: E402

from mechlab.training.config import TrainConfig  # noqa: E402

DATA = {
    "tales": Tales,
    "synthetic": Synthetic,
    "synthetic_offset_1": Synthetic,
    "synthetic_offset_1.5": Synthetic,
    "synthetic_offset_2": Synthetic,
    "synthetic_offset": Synthetic,
    "synthetic_long": Synthetic,
    "many_features": Tales,
}
COMPARED = (("mechlab", "saelens"), (FROM_ZERO, "saelens"), (FROM_MEAN, FROM_ZERO))


def main() -> None:
    """Train and judge what result.json does not hold yet, of all data and arms or those named; write it after each."""
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    rows = result["rows"] if result.get("config") == settings else []
    for seed, data in itertools.product(settings["seeds"], named(DATA)):
        own = settings[data]
        done = {(row["kind"], row["arm"]) for row in rows if (row["data"], row["seed"]) == (data, seed)}
        world = DATA[data](own, seed, TrainConfig(**settings["training"] | own.get("training", {})))
        for row in rows_of(world, own["kinds"], own["features"], done, named(ARMS)):
            rows.append({"data": data, **row})
            print(rows[-1], flush=True)
            gaps = {f"{one} less {other}": compared(rows, one, other) for one, other in COMPARED}
            path.write_text(json.dumps({"config": settings, "rows": rows, "differences": gaps}, indent=1) + "\n")


def named(choices: dict) -> list[str]:
    """Return those of the choices that the command line names, or all if it names none."""
    return [name for name in choices if name in sys.argv[1:]] or list(choices)


if __name__ == "__main__":
    main()
