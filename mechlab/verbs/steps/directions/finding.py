"""A direction of a kind, found from what the options name, beside those it is compared with; and its file.

1. Refuse a file that is taken, before any model is loaded.
2. Load the model and open the directions to compare with.
3. Gather what the kind needs, and find the direction.
4. Write its file, whole or not at all.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechlab.circuits.directions import KINDS
from mechlab.circuits.directions.comparing import CosineTable, compare_directions
from mechlab.circuits.directions.direction import Direction
from mechlab.circuits.directions.finding import find_direction
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.core.runtime import use_threads
from mechlab.models.language_model import LanguageModel
from mechlab.models.loaders import load
from mechlab.models.site_width import site_width
from mechlab.models.sites import Site
from mechlab.store.manifest import MANIFEST_NAME
from mechlab.verbs.direction_options import DirectionOptions
from mechlab.verbs.steps.codebooks.stored import open_codebook_model
from mechlab.verbs.steps.directions.control_vectors import save_control_vector
from mechlab.verbs.steps.directions.material import gathered, named_feature
from mechlab.verbs.steps.directions.stored import open_directions, save_directions
from mechlab.verbs.steps.observables.words import typed_observable

GGUF = "gguf"


@dataclass(frozen=True, eq=False)
class FoundDirection:
    """A direction, its model, and its cosines with others.

    Attributes:
        files: those that the others are from, one for each.
        table: of all cosines, this direction first; None without others.
    """

    model: LanguageModel
    direction: Direction
    files: tuple[Path, ...] = ()
    table: CosineTable | None = None


def refuse_taken(config: DirectionOptions) -> Path:
    """Return the file to write.

    Raises:
        UsageError: none is named, or it is there and is not to be replaced.
    """
    if config.out is None:
        raise UsageError("`direction` needs --out", remedy="mechlab direction KIND ... --out FILE.safetensors")
    if config.out.is_dir():
        raise UsageError("--out is a folder", value=str(config.out), remedy="Name a file in it.")
    if config.out.exists() and not config.overwrite:
        raise UsageError("file exists", value=str(config.out), remedy="Give another --out, or --overwrite.")
    return config.out


def found_direction(config: DirectionOptions, progress: Progress) -> FoundDirection:
    """Return the direction of the kind asked for.

    Raises:
        UsageError: something the kind needs is missing, unknown or does not fit; a word is not one token; a direction
            to compare with is of another model or width.
        ArtifactError: a file or dictionary is missing, damaged or of another model.
    """
    model = _opened(config)
    use_threads(config.threads, model.spec.n_params)
    if config.site is not None:
        site_width(Site.parse(config.site, model.spec), model.spec)  # refused before anything is read
    others = [(path, one) for path in config.compare for one in open_directions(path, model)]
    settings = kind_settings(config, model)
    found = find_direction(config.kind, gathered(config, model, progress), **settings)
    table = compare_directions([found, *(one for _, one in others)]) if others else None
    return FoundDirection(model, found, tuple(path for path, _ in others), table)


def kind_settings(config: DirectionOptions, model: LanguageModel) -> dict[str, Any]:
    """Return the settings of the kind: its own, and those that options of the verb say.

    Raises:
        UsageError: words or a feature are missing, or are none of the model's.
    """
    known = KINDS[config.kind].model_fields
    said: dict[str, Any] = {"seed": config.seed} if "seed" in known else {}
    if "feature" in known:
        said["feature"] = named_feature(config)[1]
    if "observable" in known:
        said["observable"] = _observable(config, model)
    return {**config.direction, **said}


def save(config: DirectionOptions, found: FoundDirection, out: Path) -> str:
    """Write the direction, and return the format of its file.

    Raises:
        UsageError: a control vector cannot be at this site, or the disk refuses the write.
    """
    chosen = config.format or (GGUF if out.suffix == f".{GGUF}" else "safetensors")
    write = save_control_vector if chosen == GGUF else save_directions
    write(out, found.model, [found.direction])
    return chosen


def _opened(config: DirectionOptions) -> LanguageModel:
    if (Path(config.model) / MANIFEST_NAME).is_file():
        return open_codebook_model(config.model, device=config.device)
    return load(config.model, device=config.device)


def _observable(config: DirectionOptions, model: LanguageModel) -> Any:
    if config.words is None:
        raise UsageError("an observable needs words", remedy="Give --words she --against he, or a --regex.")
    return typed_observable(model, config.words, config.against, regex=config.regex, combine=config.combine)
