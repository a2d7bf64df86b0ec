"""Experiment 016: what does steering cost a generation, and how does it compare with TransformerLens's hooks?"""

import json
import sys
from pathlib import Path

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from timing import rows_of  # noqa: E402

import mechlab  # noqa: E402
from mechlab.models.huggingface import HuggingFaceModel  # noqa: E402
from mechlab.store.provenance import processor  # noqa: E402


def main() -> None:
    """Time every case on the model in the folder named, and write what is found into result.json."""
    torch.set_num_threads(1)
    settings = yaml.safe_load((HERE / "config.yaml").read_text())
    model = mechlab.load(Path(sys.argv[1]), device="cpu")
    assert isinstance(model, HuggingFaceModel)
    rows = []
    for n_rows in settings["rows"]:
        for row in rows_of(model, settings, n_rows):
            print(row, flush=True)
            rows.append(row)
    found = {
        "config": settings,
        "model": model.name,
        "processor": processor(),
        "torch": torch.__version__,
        "cases": rows,
    }
    (HERE / "result.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
