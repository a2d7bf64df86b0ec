"""Control vectors of llama.cpp and repeng, from directions and to directions.

`direction.L` of such a file is added to what block L puts out, blocks counted from 0: our site `resid_post.L`. By habit
their vectors are of length one, or as long as is natural, and whoever steers says how much; the file does not.
"""

from collections.abc import Sequence
from pathlib import Path

from mechlab.circuits.directions.direction import Direction, directed, refuse_foreign
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site
from mechlab.store.control_vector import read_control_vector, write_control_vector

STREAM, KIND = "resid_post", "control_vector"


def save_control_vector(
    path: str | Path, model: LanguageModel, directions: Sequence[Direction], *, natural: bool = False
) -> None:
    """Write directions behind some layers as the control vector that llama.cpp and repeng read.

    Args:
        path: the file, by habit named `.gguf`.
        model: whose directions they are; its type is the file's hint.
        directions: at `resid_post.L`, L from 1, each layer once.
        natural: write them at their natural length, so that strengths are in units of it; else of length one.

    Raises:
        UsageError: there is none, or one is of another model or site, or a layer is there twice; the disk refuses.
    """
    by_layer = {}
    for one in directions:
        refuse_foreign(one, model)
        site = Site.parse(one.site, model.spec)
        if site.kind != STREAM or site.layer is None or site.layer in by_layer:
            remedy = f"Control vectors are added at {STREAM}.L, one for each layer."
            raise UsageError("direction has no place in a control vector", value=one.site, remedy=remedy)
        by_layer[site.layer] = one.scaled if natural else one.vector
    write_control_vector(Path(path), model.spec.architecture, by_layer)


def open_control_vector(path: str | Path, model: LanguageModel, *, any_model: bool = False) -> list[Direction]:
    """Return the directions of a control vector, the first layer's first; their natural lengths are the file's.

    Args:
        path: the file.
        model: whose layers they are behind.
        any_model: take it though its hint names another type of model: programs name types differently.

    Raises:
        ArtifactError: the file is missing, damaged or no control vector, or its hint names another type.
        UsageError: the model has no such layer or another width, or a direction is zero.
    """
    found = read_control_vector(Path(path))
    if not any_model and found.model_hint and _plain(found.model_hint) != _plain(model.spec.architecture):
        remedy = f"{model.name} is of type {model.spec.architecture}; any_model=True takes it all the same."
        raise ArtifactError(f"control vector is for {found.model_hint!r}", value=str(path), remedy=remedy)
    directions = []
    for layer, vector in found.directions.items():
        site, name = f"{STREAM}.{layer}", f"{Path(path).stem} at {STREAM}.{layer}"
        directions.append(directed(model, site, vector, KIND, name, details={"file": Path(path).name}))
        refuse_foreign(directions[-1], model)
    return directions


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
