"""A model's fingerprint: one hash over everything that determines its logits and its tokens."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mechlab.core.config import canonical_json
from mechlab.models.spec import ModelSpec
from mechlab.models.tokenizer import Tokenizer

# What a Hugging Face config says about the forward pass beyond the sizes in the spec. Named one by one: a whole config
# also holds the library's version and defaults, which would change the fingerprint of an unchanged model.
FORWARD_KEYS = (
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "layer_types",
    "query_pre_attn_scalar",
    "rms_norm_eps",
    "rope_parameters",
    "scale_attn_by_inverse_layer_idx",
    "scale_attn_weights",
    "sliding_window",
)


def fingerprint(weights: Mapping[str, Tensor], spec: ModelSpec, hf_config: Any, tokenizer: Tokenizer | None) -> str:
    """Return the SHA-256 of weights, config and tokenizer, in hex."""
    config = {key: getattr(hf_config, key, None) for key in FORWARD_KEYS}
    parts = {"spec": spec, "config": config, "tokenizer": None if tokenizer is None else tokenizer.fingerprint}
    return digest_of_tensors(weights, canonical_json(parts))


def digest_of_tensors(tensors: Mapping[str, Tensor], opening: str = "") -> str:
    """Return the SHA-256 of an opening text and of tensors, their names, types and shapes included, in hex."""
    hasher = hashlib.sha256(opening.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous().cpu()
        hasher.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        hasher.update(tensor.flatten().view(torch.uint8).numpy().data)
    return hasher.hexdigest()
