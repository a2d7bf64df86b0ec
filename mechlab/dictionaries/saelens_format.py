"""SAELens's folder as values: a dictionary to and from `cfg.json`'s mapping and the tensors beside it.

Facts of the format (sae_lens 6.54): a flat config with seven fields every architecture has, a free-form `metadata`
whose `sae_lens_version` must be at least 6, and tensors named `W_enc [d_in, d_sae]`, `b_enc`, `W_dec`, `b_dec`, ....
A dictionary with a target of its own is a `..._transcoder` with a field `d_out`; with a skip, a `..._skip_transcoder`
with `W_skip [d_out, d_in]`. SAELens knows those of `standard` (which it leaves unnamed) and `jumprelu`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.errors import ArtifactError
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary

FORMAT_VERSION = "6.54.12"
UNNAMED, TRANSCODER, SKIP_TRANSCODER = "standard", "transcoder", "skip_transcoder"
RUN_TIME_NORMALISATIONS = ("layer_norm", "constant_norm_rescale", "covariance_whitening", "expected_average_only_in")


def to_saelens(
    dictionary: Dictionary, metadata: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the config and tensors that `sae_lens.SAE.load_from_disk` reads.

    Args:
        dictionary: trained on raw activations, or with its scales folded in.
        metadata: what else is known, under SAELens's names (`model_name`, `hook_name`, `context_size`, ...).
    """
    own, tensors = dictionary.to_saelens()
    config = dictionary.config
    cfg: dict[str, Any] = {
        "d_in": config.d_in,
        "d_sae": config.d_sae,
        "dtype": str(dictionary.b_dec.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": config.centred,
        "normalize_activations": "none",
        "reshape_activations": "none",
        **own,
        "architecture": _with_target(own["architecture"], config.d_out is not None, config.skip),
    }
    if config.d_out is not None:
        cfg["d_out"] = config.d_out
    details = {name: value for name, value in config.model_dump(mode="json").items() if name not in cfg}
    cfg["metadata"] = {
        "sae_lens_version": FORMAT_VERSION,
        "sae_lens_training_version": None,
        **(metadata or {}),
        "training_architecture": dictionary.kind,
        "training_architecture_details": details,
    }
    return cfg, {name: tensor.cpu() for name, tensor in tensors.items()}


def from_saelens(cfg: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Dictionary:
    """Return the dictionary that a SAELens config and its tensors describe.

    Raises:
        ArtifactError: no kind reads this architecture, inputs are normalised at run time, or a tensor is missing or
            of another shape.
    """
    kind = _kind_of(cfg)
    skip = str(cfg.get("architecture", "")).endswith(SKIP_TRANSCODER)
    normalisation = cfg.get("normalize_activations", "none")
    if normalisation in RUN_TIME_NORMALISATIONS:
        raise ArtifactError(
            "this dictionary normalises its input at run time",
            value=normalisation,
            remedy="Only folders with normalize_activations: none can be read; fold it into the weights in SAELens.",
        )
    details = cfg.get("metadata", {}).get("training_architecture_details") or {}
    config = build(kind.Config, kind.options_of_saelens({**details, **cfg, "skip": skip}))
    with torch.device("meta"):  # nothing is drawn and no memory taken: every tensor is replaced by one that is given
        dictionary = kind(config)
    try:
        dictionary.load_saelens(tensors)
    except KeyError as error:
        raise ArtifactError("a tensor is missing", value=error.args[0], remedy=f"It is a {kind.kind} folder.") from None
    except ValueError as error:
        raise ArtifactError("a tensor does not fit cfg.json", value=str(error)) from None
    return dictionary


def _with_target(architecture: str, has_target: bool, skip: bool) -> str:
    """Return an autoencoder's architecture as that of a dictionary with a target of its own, if it has one."""
    if not has_target:
        return architecture
    ending = SKIP_TRANSCODER if skip else TRANSCODER
    return ending if architecture == UNNAMED else f"{architecture}_{ending}"


def _without_target(architecture: str) -> str:
    for ending in (SKIP_TRANSCODER, TRANSCODER):
        if architecture == ending:
            return UNNAMED
        if architecture.endswith(f"_{ending}"):
            return architecture.removesuffix(f"_{ending}")
    return architecture


def _kind_of(cfg: Mapping[str, Any]) -> type[Dictionary]:
    architecture = _without_target(cfg.get("architecture", UNNAMED))
    for kind in KINDS.values():
        if architecture in kind.saelens_architectures:
            return kind
    known = sorted(name for kind in KINDS.values() for name in kind.saelens_architectures)
    raise ArtifactError(
        "no dictionary kind reads this architecture",
        value=cfg.get("architecture"),
        remedy=f"Known: {', '.join(known)}.",
    )
