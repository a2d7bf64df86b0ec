"""Experiment 015: what do observables, handed back through the weights, tell of a model of stories?"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from coupled import coupled  # noqa: E402
from few_labels import few_labels  # noqa: E402
from ranking import ranked  # noqa: E402
from subject import Subject, stories_subject, tales_subject  # noqa: E402
from taking_out import taken_out  # noqa: E402

ASKED = {"heads": ranked, "coupling": coupled, "labels": few_labels, "debiasing": taken_out}


def main() -> None:
    """Measure every case that result.json lacks, and write each into it; a word names the folder of a second model."""
    torch.set_num_threads(1)
    settings, path = yaml.safe_load((HERE / "config.yaml").read_text()), HERE / "result.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for model, subject_of in _subjects(settings, folder):
        own = settings["measuring"] | settings[model]
        missing = [case for case in _cases(own) if "/".join((model, *case)) not in found]
        subject = subject_of(own) if missing else None
        for kind, name in missing:
            assert subject is not None
            found["/".join((model, kind, name))] = ASKED[kind](subject, name, own)
            part = path.with_suffix(".part")
            part.write_text(json.dumps({**found, "config": settings}) + "\n")
            part.replace(path)
            print(model, kind, name, flush=True)


def _subjects(
    settings: Mapping[str, Any], folder: Path | None
) -> Iterator[tuple[str, Callable[[Mapping[str, Any]], Subject]]]:
    yield "tales", tales_subject
    if folder is not None:
        yield "stories260K", lambda own: stories_subject({**own, "folder": str(folder)})


def _cases(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return ((kind, name) for kind, names in settings["cases"].items() for name in names)


if __name__ == "__main__":
    main()
