"""Experiment 008: what does a codebook's training step cost beside the dense way, in CPU time and in memory?"""

import importlib
import json
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from mechlab.core.products import routes  # noqa: E402
from mechlab.store.provenance import processor  # noqa: E402

PARTS = ("timing", "memory", "exactness")


def main() -> None:
    """Measure the part named, or all; a second word picks rows, and the others stay as they are in result.json."""
    torch.set_num_threads(1)
    part, picked = [*sys.argv[1:], "", ""][:2]
    for name in [part] if part else PARTS:
        for row in importlib.import_module(name).rows(picked):
            print(row, flush=True)
            write(HERE / "result.json", name, row)


def write(path: Path, part: str, row: dict) -> None:
    """Put one row into this processor's table."""
    found = json.loads(path.read_text()) if path.exists() else {"machines": {}}
    here = found["machines"].setdefault(processor(), {})
    here |= {"products": routes(), "torch": torch.__version__, "threads": 1}
    table = {there["case"]: there for there in here.get(part, [])} | {row["case"]: row}
    here[part] = list(table.values())
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
