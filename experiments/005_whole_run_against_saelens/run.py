"""Experiment 005: whole runs beside SAELens's runner, the memory of a step, and how exact the updates are."""

import importlib
import json
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

PARTS = ("whole", "memory", "exactness")


def main() -> None:
    """Measure the part named, or all; a second word picks rows, and the others stay as they are in result.json."""
    warnings.filterwarnings("ignore")
    part, picked = [*sys.argv[1:], "", ""][:2]
    for name in [part] if part else PARTS:
        for row in importlib.import_module(name).rows(picked):
            print(row, flush=True)
            write(name, row)


def write(part: str, row: dict) -> None:
    """Put one row into its table in result.json."""
    path = HERE / "result.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    table = found.setdefault(part, [])
    places = [place for place, there in enumerate(table) if there["case"] == row["case"]]
    table[slice(places[0], places[0] + 1) if places else slice(len(table), None)] = [row]
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
