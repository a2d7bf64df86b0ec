"""Experiment 011: what does an attribution graph cost beside circuit-tracer's, and is it the same?"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from cases import write_folder  # noqa: E402
from comparing import compared, memory  # noqa: E402

from mechlab.store.provenance import processor  # noqa: E402


def main() -> None:
    """Compare case by case and write what is found into result.json; with words, measure one side's memory only."""
    torch.set_num_threads(1)
    settings = yaml.safe_load((HERE / "config.yaml").read_text())
    if sys.argv[1:]:
        name, number, folder = sys.argv[1:]
        print(json.dumps(memory(settings, name, int(number), Path(folder))))
        return
    with TemporaryDirectory() as folder:
        write_folder(settings, Path(folder))
        rows = [compared(settings, number, Path(folder)) for number in range(len(settings["cases"]))]
    found = {"config": settings, "processor": processor(), "cases": rows}
    (HERE / "result.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
