"""Edits of heads' components, saved as a small file and opened again for the same model."""

from collections.abc import Sequence
from pathlib import Path

import torch

from mechlab.core.errors import ArtifactError
from mechlab.interventions.component_edit import ComponentEdit, refuse_foreign_edits
from mechlab.models.language_model import LanguageModel
from mechlab.store.component_edits import damaged, read_component_edits, write_component_edits

FIELDS = ("circuit", "layer", "head", "factor", "constant")


def save_edits(path: str | Path, model: LanguageModel, edits: Sequence[ComponentEdit]) -> None:
    """Write edits of a model's components; `open_edits` gives them back for the same model.

    Raises:
        UsageError: an edit is not of this model's heads, or the disk refuses the write.
    """
    refuse_foreign_edits(model, edits)
    named = [{name: getattr(edit, name) for name in FIELDS} for edit in edits]
    rows = [edit.direction.double().cpu() for edit in edits]
    directions = torch.stack(rows) if rows else torch.zeros(0, model.spec.d_model, dtype=torch.float64)
    write_component_edits(Path(path), model.fingerprint, named, directions)


def open_edits(path: str | Path, model: LanguageModel) -> list[ComponentEdit]:
    """Return the edits in a file.

    Raises:
        ArtifactError: the file is missing or damaged, or its edits are of another model, or of one processed otherwise.
    """
    fingerprint, named, directions = read_component_edits(Path(path))
    if fingerprint != model.fingerprint:
        remedy = f"They are of {fingerprint[:12]}, {model.name} is {model.fingerprint[:12]}; process it the same way."
        raise ArtifactError("edits are of another model", value=str(path), remedy=remedy)
    try:
        edits = [
            ComponentEdit(**{name: one[name] for name in FIELDS}, direction=direction)
            for one, direction in zip(named, directions, strict=True)
        ]
    except (KeyError, TypeError):
        raise damaged(Path(path)) from None
    refuse_foreign_edits(model, edits)
    return edits
