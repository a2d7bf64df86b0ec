"""Experiment 007: what do codes cost a model of stories, do they mean what stories are about, and do they steer it?"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from one_seed import parts_of  # noqa: E402


def main() -> None:
    """Train, judge and steer with every seed, or those named, and write what is found into result.json."""
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    for seed in [int(word) for word in sys.argv[1:]] or settings["seeds"]:
        known = found_before(path, settings)["seeds"].get(str(seed), {})
        for part, rows in parts_of(settings, seed, HERE / "runs", known.get("steered", {})):
            found = found_before(path, settings)
            found["seeds"].setdefault(str(seed), {})[part] = rows
            path.write_text(json.dumps(found, indent=1) + "\n")
            print(seed, part, json.dumps(rows)[-2000:], flush=True)


def found_before(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of every seed; nothing where the settings were others."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return {"config": settings, "seeds": found["seeds"] if found.get("config") == settings else {}}


if __name__ == "__main__":
    main()
