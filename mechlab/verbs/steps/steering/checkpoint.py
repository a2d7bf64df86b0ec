"""A checkpoint that is steered by itself, as `mechlab steer --into` writes it: the whole folder, or none."""

import shutil
from pathlib import Path

from mechlab.core.errors import UsageError
from mechlab.interventions.steering.steered_weights import steered_weights
from mechlab.models.saving import save_model
from mechlab.verbs.steps.steering.subject import Steered


def write_steered(into: Path, steered: Steered) -> None:
    """Write the model with the spec in its weights, as a Hugging Face folder.

    Raises:
        UsageError: the folder is there already; the spec cannot be put into weights, or into those of this class.
    """
    if into.exists():
        raise UsageError("output folder exists", value=str(into), remedy="Give another --into.")
    own = steered_weights(steered.model, steered.spec, steered.sources)
    unfinished = into.with_name(f".{into.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        save_model(own, unfinished)
        unfinished.rename(into)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
