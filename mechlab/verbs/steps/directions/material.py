"""What a direction is found from: whatever its kind needs, gathered from files, texts, prompts and dictionaries."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mechlab.circuits.directions import KINDS
from mechlab.circuits.directions.material import DirectionMaterial
from mechlab.circuits.directions.output_scores import largest_activations, largest_in_layer
from mechlab.circuits.observables.prompt_points import prompt_points
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel
from mechlab.verbs.direction_options import DirectionOptions
from mechlab.verbs.steps.directions.examples import asked_examples, text_rows
from mechlab.verbs.steps.directions.stored import open_dictionary
from mechlab.verbs.steps.tracing.transcoders import open_transcoders

ROWS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Opened:
    """A dictionary, or transcoders of all layers, and the hooks it names: what it reads and where it writes."""

    dictionary: Dictionary | TranscoderSet
    reads: str | None = None
    writes: str | None = None


def gathered(config: DirectionOptions, model: LanguageModel, progress: Progress) -> DirectionMaterial:
    """Return what the kind needs, as far as the options name it.

    Raises:
        UsageError: something is missing, unknown or does not fit.
        ArtifactError: a dictionary is missing, damaged or of another model.
    """
    needs, known = KINDS[config.kind].needs, dict[str, Any]()
    if "examples" in needs:
        known["examples"] = asked_examples(config, model, _site(config), progress)
    if "points" in needs:
        known["points"] = _points(config, model)
    opened = _dictionary(config, model) if "dictionary" in needs else None
    if opened is not None:
        known["dictionary"] = opened.dictionary
    if opened is not None and "largest" in needs:
        known["largest"] = _largest(config, model, opened, progress)
    site = config.site or (opened.writes if opened is not None else None)
    if "site" in needs and site is None and not (opened and isinstance(opened.dictionary, TranscoderSet)):
        site = _site(config)
    return DirectionMaterial(model, site, **known)


def named_feature(config: DirectionOptions) -> tuple[tuple[str, ...], int]:
    """Return the dictionary and the number of the feature that is named.

    Raises:
        UsageError: none is, or not in this form.
    """
    text = config.feature or ""
    run, colon, number = text.rpartition(":")
    if not (number.isascii() and number.isdigit()) or (colon and not run) or bool(run) == bool(config.dictionary):
        remedy = "Write --feature RUN:NUMBER, as runs/first:12, or --dictionary RUN --feature NUMBER."
        raise UsageError("feature is not named", value=text or "nothing", remedy=remedy)
    return ((run,) if run else config.dictionary), int(number)


def _site(config: DirectionOptions) -> str:
    if config.site is None:
        raise UsageError(f"{config.kind} needs a site", remedy="Give --site, such as resid_post.2.")
    return config.site


def _points(config: DirectionOptions, model: LanguageModel) -> Any:
    """Return the points of a prompt's stops; nothing without a prompt."""
    if config.prompt is None:
        return None
    path = config.direction.get("path") or KINDS[config.kind].model_fields["path"].default
    tokens = model.checked(model.to_tokens(config.prompt))
    return prompt_points(model, tokens, path, config.positions or (-1,) * len(path))


def _dictionary(config: DirectionOptions, model: LanguageModel) -> Opened:
    """Return the dictionary; with a layer, transcoders of all layers."""
    paths = named_feature(config)[0] if "feature" in KINDS[config.kind].model_fields else config.dictionary
    if not paths:
        raise UsageError(f"{config.kind} needs a dictionary", remedy="Give --dictionary, a run or a SAELens folder.")
    if config.direction.get("layer") is not None:
        return Opened(open_transcoders(model, paths, root=config.root))
    path, *more = paths
    if more:
        remedy = "Give one, or --layer for transcoders of all layers."
        raise UsageError("several dictionaries are given", value=",".join(paths), remedy=remedy)
    found = open_dictionary(model, path, config.root)
    reads, writes = found.names.get("hook_name"), found.names.get("hook_name_out")
    return Opened(found.dictionary.to(model.device).requires_grad_(False), reads, writes or reads)


def _largest(config: DirectionOptions, model: LanguageModel, opened: Opened, progress: Progress) -> Any:
    """Return the largest activation of each feature on the text."""
    rows = [part.to(model.device) for part in text_rows(config, model, progress).tokens.long().split(ROWS_AT_ONCE)]
    if isinstance(opened.dictionary, TranscoderSet):
        return largest_in_layer(model, opened.dictionary, int(config.direction["layer"]), rows)
    place = opened.reads or config.site
    find: Callable[..., Any] = largest_activations
    return find(model, opened.dictionary, place or _site(config), rows)
