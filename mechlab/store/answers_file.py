"""A judge's answers in a file: one JSON object, a number from 0 to 1 for each question and text, by their hash."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from mechlab.core.errors import ArtifactError
from mechlab.store.disk import read_json, write_json


def write_answers(path: Path, answers: Mapping[str, float]) -> None:
    """Write answers, whole or not at all; equal ones give equal bytes.

    Raises:
        UsageError: the disk is full or refuses the write.
    """
    write_json(path, dict(sorted(answers.items())))


def read_answers(path: Path) -> dict[str, float]:
    """Return answers by the hash of question and text.

    Raises:
        ArtifactError: the file is missing or damaged, or holds something else.
    """
    held = json.loads(json.dumps(read_json(path, "judge's answers")))
    good = isinstance(held, dict) and all(
        isinstance(one, int | float) and math.isfinite(one) and 0 <= one <= 1 for one in held.values()
    )
    if not good:
        raise ArtifactError("file holds no answers of a judge", value=str(path), remedy="Numbers go from 0 to 1.")
    return {key: float(value) for key, value in held.items()}
