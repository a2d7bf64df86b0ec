"""The checkpoints of Dunefsky, Chlenski and Nanda's transcoders as values: config and tensors to a dictionary.

Facts of the format: `cfg` has the fields of their runner's config (`d_in`, `d_sae`, `d_out`, `is_transcoder`,
`hook_point`, `out_hook_point`, ...); `state_dict` has `W_enc [d_in, d_sae]`, `b_enc`, `W_dec [d_sae, d_out]`,
`b_dec [d_in]` (subtracted from the input) and, of a transcoder, `b_dec_out [d_out]`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary

CONFIG_CLASSES = ("sae_training.config.LanguageModelSAERunnerConfig", "sae_training.config.RunnerConfig")
NAMES = ("W_enc", "b_enc", "W_dec", "b_dec")


@torch.no_grad()
def from_dunefsky(cfg: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> ReluDictionary:
    """Return the dictionary of a checkpoint; a transcoder's input centre goes into its encoder's bias.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits"; their code's `forward`.

    Raises:
        ArtifactError: a tensor is missing or has another shape than the others.
    """
    is_transcoder = bool(cfg.get("is_transcoder"))
    wanted = (*NAMES, "b_dec_out") if is_transcoder else NAMES
    if missing := [name for name in wanted if name not in tensors]:
        raise ArtifactError(
            "checkpoint lacks", value=", ".join(missing), remedy="It is no SparseAutoencoder of theirs."
        )
    W_enc, b_enc, W_dec, b_dec = (tensors[name].float() for name in NAMES)
    d_in, d_sae = W_enc.shape
    bias = tensors["b_dec_out"].float() if is_transcoder else b_dec
    shapes = {"W_dec": (d_sae, len(bias)), "b_enc": (d_sae,), "b_dec": (d_in,)}
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise ArtifactError(f"{name} has another shape than the rest", value=tuple(tensors[name].shape))
    dictionary = ReluDictionary(ReluConfig(d_in=d_in, d_sae=d_sae, d_out=len(bias) if is_transcoder else None))
    dictionary.encoder.copy_(W_enc.T)
    dictionary.b_enc.copy_(b_enc - b_dec @ W_enc if is_transcoder else b_enc)
    dictionary.W_dec.copy_(W_dec)
    dictionary.b_dec.copy_(bias)
    return dictionary.eval()


def saelens_names(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the config says of where the dictionary belongs, under SAELens's names."""
    names = {"model_name": "model_name", "hook_point": "hook_name", "out_hook_point": "hook_name_out"}
    known = {theirs: cfg[ours] for ours, theirs in names.items() if cfg.get(ours) is not None}
    return known | ({"context_size": cfg["context_size"]} if "context_size" in cfg else {})
