"""A transcoder for every MLP of a model, from wherever they lie: runs, SAELens or circuit-tracer folders, checkpoints.

1. Find the dictionaries; those of a run were trained on this very model, or are refused.
2. Their hooks say whose MLP they stand in for, whichever library named them.
3. One that reads behind the norm's gain is made to read before it.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.input_map import before_map
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.interventions.transcoders_on_use import Read, TranscodersOnUse
from mechlab.models.language_model import LanguageModel
from mechlab.models.spec import ModelSpec
from mechlab.verbs.steps.foreign import Found, find_dictionaries

BEHIND_GAIN, BEFORE_NORM = ("mlp.hook_in", "ln2.hook_out"), ("mlp.hook_out",)
OURS = {
    **dict.fromkeys(BEHIND_GAIN, "ln2.hook_normalized"),
    **dict.fromkeys(BEFORE_NORM, "hook_mlp_out"),
    "hook_mlp_in": "hook_resid_mid",
}
HOOK = re.compile(r"blocks\.(\d+)\.(.+)")


def open_transcoders(
    model: LanguageModel,
    paths: str | Path | Sequence[str | Path],
    *,
    root: str | Path = "runs",
    on_use: bool = False,
) -> TranscoderSet:
    """Return the transcoders of all layers of a model, on its device, in float64 if it is, else in float32.

    Args:
        model: whose MLPs they stand in for.
        paths: one or several of: the folder or the first digits of the id of a run, such as `train skip_transcoder
            --site mlp.1` makes; the folder of a sweep; a SAELens folder; a circuit-tracer folder, which holds all
            layers; a checkpoint (.pt) of transcoder_circuits.
        root: where ids are looked up.
        on_use: read a layer's weights when they are asked for, and hold no more than one layer's: a prompt that is
            traced asks once, so a large set need not fit in memory; many passes would read again and again.

    Raises:
        ArtifactError: what is there is damaged or is no dictionary, or a run's was trained on another model.
        UsageError: a layer has none or two, or one reads or writes elsewhere or is not as wide as the model.
    """
    by_route: dict[str, Read] = {}
    for text in [paths] if isinstance(paths, str | Path) else paths:
        for found in find_dictionaries(str(text), Path(root)):
            _refuse_other_model(found, model, str(text))
            route, layers = _route(found, model.spec, str(text))
            if route in by_route:
                raise UsageError("layer has two transcoders", value=str(text), remedy="Give one for each.")
            by_route[route] = partial(_opened, found, model, tuple(sorted(layers)))
    if on_use:
        return TranscodersOnUse.of_readings(by_route, model.spec)
    return TranscoderSet.of({route: read() for route, read in by_route.items()}, model.spec)


def _opened(found: Found, model: LanguageModel, gained: Sequence[int]) -> Dictionary:
    """Return a dictionary on the model's device that reads before the gain of the norms of these layers."""
    dtype = torch.promote_types(model.dtype, torch.float32)
    dictionary = found.read().to(model.device, dtype).requires_grad_(False)
    if not gained:
        return dictionary
    layers = model.weights().layers
    gain, shift = (torch.cat([getattr(layers[layer], name) for layer in gained]) for name in ("ln2_w", "ln2_b"))
    fits = dictionary.config.d_in == len(gain)  # one that does not is refused with the set, by its width
    return before_map(dictionary, gain, shift) if fits else dictionary


def _refuse_other_model(found: Found, model: LanguageModel, text: str) -> None:
    if found.fingerprint is not None and found.fingerprint != model.fingerprint:
        theirs, ours = found.fingerprint[:12], model.fingerprint[:12]
        remedy = f"It is of {theirs}, {model.name} is {ours}; process it the same way."
        raise ArtifactError("transcoder is of another model", value=text, remedy=remedy)


def _route(found: Found, spec: ModelSpec, text: str) -> tuple[str, set[int]]:
    """Return from where to where a dictionary leads, and the layers whose norm's output it reads behind the gain."""
    read, written = (_hooks(found, name, text) for name in ("hook_name", "hook_name_out"))
    if spec.post_norms and any(hook in BEFORE_NORM for _, hook in written):
        remedy = "Take ones that rebuild hook_mlp_out, which the stream gets."
        raise UsageError("transcoder rebuilds what a norm comes behind", value=text, remedy=remedy)
    ends = (",".join(f"blocks.{block}.{OURS.get(hook, hook)}" for block, hook in end) for end in (read, written))
    return " -> ".join(ends), {block for block, hook in read if hook in BEHIND_GAIN}


def _hooks(found: Found, name: str, text: str) -> list[tuple[int, str]]:
    """Return the block, and the place inside it, of every hook that a dictionary reads or rebuilds."""
    matches = [HOOK.fullmatch(hook.strip()) for hook in str(found.names.get(name, "")).split(",")]
    blocks = [(int(match[1]), match[2]) for match in matches if match is not None]
    if len(blocks) < len(matches):
        remedy = "A transcoder names hooks that it reads and rebuilds, such as blocks.3.hook_mlp_out."
        raise ArtifactError("dictionary does not say whose MLP it stands in for", value=text, remedy=remedy)
    return blocks
