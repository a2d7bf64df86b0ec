"""circuit-tracer's files of a cross-layer transcoder as values: tensors by file name, and what `config.yaml` says.

Facts of the layout (circuit-tracer 0.5.0): `W_enc_{l}.safetensors` holds `W_enc_{l} [d_sae, d_in]`, `b_enc_{l}`,
`b_dec_{l}` and, for JumpReLU, `threshold_{l}`; `W_dec_{l}.safetensors` holds `W_dec_{l} [d_sae, n_layers - l, d_out]`.
Without thresholds codes are rectified. Other activations it cannot read.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.dictionaries.crosslayer import Crosslayer
from mechlab.dictionaries.crosslayer_transcoder import (
    BatchTopKCrosslayerTranscoder,
    CrosslayerTranscoder,
    CrosslayerTranscoderConfig,
)

Files = dict[str, dict[str, Tensor]]


def to_files(dictionary: Crosslayer) -> Files:
    """Return the tensors of each file by file name.

    Codes of a BatchTopK become JumpReLU's, all thresholds the same.

    Raises:
        UsageError: the activation has no thresholds, as TopK's.
    """
    tensors = _with_thresholds(dictionary).saelens_tensors()
    files: Files = {}
    for name, value in tensors.items():
        part, layer = name.rsplit("_", 1)
        file = f"W_dec_{layer}" if part == "W_dec" else f"W_enc_{layer}"
        files.setdefault(f"{file}.safetensors", {})[name] = value.contiguous().cpu()
    return files


def config_of_files(
    model_name: str, input_hook: str = "hook_resid_mid", output_hook: str = "hook_mlp_out"
) -> dict[str, str]:
    """Return what `config.yaml` says beside the files; hooks are paths inside a block, in TransformerLens's names."""
    hooks = {"feature_input_hook": input_hook, "feature_output_hook": output_hook}
    return {"model_name": model_name, "model_kind": "cross_layer_transcoder", **hooks}


def from_files(files: Mapping[str, Mapping[str, Tensor]]) -> CrosslayerTranscoder:
    """Return the dictionary that files hold.

    Raises:
        ArtifactError: a file or tensor is missing or does not fit, there is a skip, or a threshold is negative.
    """
    tensors = {name: value for file in files.values() for name, value in file.items()}
    if any(name.startswith("W_skip") for name in tensors):
        raise ArtifactError(
            "cross-layer transcoder has a skip", value="W_skip_0", remedy="Only those without are read."
        )
    n = sum(name.startswith("W_enc_") for name in tensors)
    for layer in range(n):
        if f"threshold_{layer}" not in tensors and f"b_enc_{layer}" in tensors:
            tensors[f"threshold_{layer}"] = tensors[f"b_enc_{layer}"] * 0
    try:
        (features, d_in), d_out = tensors["W_enc_0"].shape, tensors["b_dec_0"].shape[0]
        config = CrosslayerTranscoderConfig.of_layers(n, d_in, features, d_out)
        with torch.device(
            "meta"
        ):  # nothing is drawn and no memory taken: every tensor is replaced by one that is given
            dictionary = CrosslayerTranscoder(config)
        dictionary.load_saelens(tensors)
    except KeyError as error:
        remedy = f"Its {n} layers each have W_enc, b_enc, b_dec and W_dec."
        raise ArtifactError("a tensor is missing", value=error.args[0], remedy=remedy) from None
    except (ValueError, RuntimeError) as error:
        raise ArtifactError("a tensor does not fit the others", value=str(error)) from None
    if (dictionary.threshold < 0).any():
        raise ArtifactError("a threshold is negative", value=dictionary.threshold.min().item())
    return dictionary


def _with_thresholds(dictionary: Any) -> CrosslayerTranscoder:
    if isinstance(dictionary, CrosslayerTranscoder):
        return dictionary
    if not isinstance(dictionary, BatchTopKCrosslayerTranscoder):
        remedy = "circuit-tracer reads ReLU and JumpReLU; train batchtopk_crosslayer_transcoder instead."
        raise UsageError("activation cannot be written for circuit-tracer", value=dictionary.kind, remedy=remedy)
    folded, config = deepcopy(dictionary), dictionary.config
    folded.fold_decoder_norms()
    widths = (config.n_layers, config.d_layer_in, config.d_sae_per_layer, config.d_layer_out)
    made = CrosslayerTranscoder(CrosslayerTranscoderConfig.of_layers(*widths))
    threshold = folded.b_enc.detach() * 0 + folded.topk_threshold.to(folded.b_enc.dtype)
    made.load_state_dict({**dict(folded.named_parameters()), "threshold": threshold})
    return made
