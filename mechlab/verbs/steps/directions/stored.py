"""Directions, saved as a small file and opened again for the same model; and features of dictionaries from anywhere.

A dictionary of SAELens names the hook it was trained at, or its target's; that is the direction's site.
"""

from collections.abc import Sequence
from pathlib import Path

from mechlab.circuits.directions.direction import Direction, Facts, refuse_foreign
from mechlab.circuits.directions.feature import FeatureDirection
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.core.config import build
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site
from mechlab.store.direction_file import damaged, read_direction_file, write_direction_file
from mechlab.verbs.steps.foreign import Found, find_dictionaries

FIELDS = ("site", "scale", "kind", "name")


def save_directions(path: str | Path, model: LanguageModel, directions: Sequence[Direction]) -> None:
    """Write directions of a model; `open_directions` gives them back for the same model.

    Raises:
        UsageError: there is none, or one is not of this model; the disk refuses the write.
    """
    if not directions:
        raise UsageError("no directions to save", value=0, remedy="Give one at least.")
    for direction in directions:
        refuse_foreign(direction, model)
    described = [
        {name: getattr(one, name) for name in FIELDS} | {"facts": one.facts.model_dump(mode="json")}
        for one in directions
    ]
    write_direction_file(Path(path), described, [one.vector for one in directions])


def open_directions(path: str | Path, model: LanguageModel) -> list[Direction]:
    """Return the directions in a file.

    Raises:
        ArtifactError: the file is missing, damaged or changed.
        UsageError: a direction is of another model, or of one processed otherwise.
    """
    found = []
    for described, vector in read_direction_file(Path(path)):
        try:
            named = {name: described[name] for name in FIELDS}
            direction = Direction(**named, vector=vector, facts=build(Facts, described["facts"]))
        except (KeyError, TypeError, ValueError, UsageError):
            raise damaged(Path(path)) from None
        refuse_foreign(direction, model)
        found.append(direction)
    return found


def open_feature_direction(
    model: LanguageModel,
    path: str | Path,
    feature: int,
    *,
    site: str | Site | None = None,
    root: str | Path = "runs",
) -> Direction:
    """Return the direction of a feature of a dictionary, by where the dictionary lies and the feature's number.

    Args:
        model: whose site it is.
        path: the folder of a run or of a SAELens dictionary, or a file of transcoder_circuits; or the first digits of a
            run's id.
        feature: its number.
        site: where the dictionary writes; None takes the hook it names.
        root: where ids are looked up.

    Raises:
        ArtifactError: what is there is damaged or no single dictionary, or was trained on another model.
        UsageError: there is no such feature, no site is named, or the dictionary does not fit it.
    """
    found = open_dictionary(model, path, root)
    place = site or found.names.get("hook_name_out") or found.names.get("hook_name")
    if place is None:
        remedy = "Pass site='resid_post.1' or wherever it was trained."
        raise UsageError("dictionary does not say where it was trained", value=str(path), remedy=remedy)
    return build(FeatureDirection, {"feature": feature}).find(
        DirectionMaterial(model, place, dictionary=found.dictionary)
    )


def open_dictionary(model: LanguageModel, path: str | Path, root: str | Path = "runs") -> Found:
    """Return a single dictionary and the hooks it names, by where it lies.

    Raises:
        ArtifactError: what is there is damaged or no single dictionary, or was trained on another model.
    """
    dictionaries = list(find_dictionaries(str(path), Path(root)))
    if len(dictionaries) != 1:
        remedy = "Give the folder of one, or open_transcoders and the kind `feature`."
        raise ArtifactError("path holds several dictionaries", value=f"{path}: {len(dictionaries)}", remedy=remedy)
    (found,) = dictionaries
    if found.fingerprint not in (None, model.fingerprint):
        remedy = f"It was trained on {str(found.fingerprint)[:12]}, {model.name} is {model.fingerprint[:12]}."
        raise ArtifactError("dictionary is of another model", value=str(path), remedy=remedy)
    return found
