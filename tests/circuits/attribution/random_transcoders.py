"""Random transcoders of every kind for a tiny model, with biases and skips that matter, half of their features on."""

import torch

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.layers import LayersConfig
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.spec import ModelSpec

N_FEATURES = 24
PER_LAYER = {
    "relu": {},
    "jumprelu": {},
    "topk": {"k": 7},
    "batchtopk": {"k": 7},
    "relu with a skip": {"skip": True},
    "topk without units": {"k": 7, "rescale_acts_by_decoder_norm": False},
}
CROSS_LAYER = {
    "crosslayer_transcoder": {},
    "topk_crosslayer_transcoder": {"k": 5},
    "batchtopk_crosslayer_transcoder": {"k": 5.0},
}


def random_set(kind: str, spec: ModelSpec, dtype: torch.dtype = torch.float64, seed: int = 0) -> TranscoderSet:
    """Return a set of one kind, by its name in `PER_LAYER` or `CROSS_LAYER`."""
    if kind in CROSS_LAYER:
        of_kind = KINDS[kind]
        assert issubclass(of_kind.Config, LayersConfig)
        config = of_kind.Config.of_layers(
            spec.n_layers, spec.d_model, N_FEATURES, d_out=spec.d_model, **CROSS_LAYER[kind]
        )
        return TranscoderSet.of({"mlp": shaken(of_kind(config), dtype, seed)}, spec)
    of_kind = KINDS[kind.split()[0]]
    sizes = {"d_in": spec.d_model, "d_out": spec.d_model, "d_sae": N_FEATURES}
    made = {
        f"mlp.{layer}": shaken(of_kind(build(of_kind.Config, {**sizes, **PER_LAYER[kind]})), dtype, seed + layer)
        for layer in range(spec.n_layers)
    }
    return TranscoderSet.of(made, spec)


def shaken(dictionary: Dictionary, dtype: torch.dtype, seed: int) -> Dictionary:
    """Return a dictionary with random weights, biases and thresholds."""
    draw = torch.Generator().manual_seed(seed)
    dictionary = dictionary.to(dtype).eval()
    with torch.no_grad():
        for name, parameter in dictionary.named_parameters():
            noise = torch.randn(parameter.shape, generator=draw, dtype=dtype)
            if "threshold" in name:
                parameter.copy_(noise.abs() * 0.1)
            elif parameter.ndim == 1:
                parameter.copy_(noise * 0.3)
            else:
                parameter.copy_(noise / parameter.shape[1] ** 0.5)
    return dictionary.requires_grad_(False)
