"""circuit-tracer's set of transcoders as values: one dictionary per layer to and from its tensors and its config.

Facts of the format (circuit-tracer 0.5.0): `layer_{i}.safetensors` for every layer holds `W_enc [d_sae, d_in]`,
`W_dec [d_sae, d_out]`, `b_enc`, `b_dec`, of a JumpReLU `activation_function.threshold`, of a skip
`W_skip [d_out, d_in]`; nothing is subtracted from the input. `config.yaml` names the model and the hooks inside a
block. TopK (`activation: topk`, `k`) is read by the original authors' repository, not by 0.5.0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from mechlab.core.errors import ArtifactError
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.saelens_format import from_saelens, to_saelens

THRESHOLD = "activation_function.threshold"
OURS = {
    "W_enc": "W_enc",
    "W_dec": "W_dec",
    "b_enc": "b_enc",
    "b_dec": "b_dec",
    "W_skip": "W_skip",
    THRESHOLD: "threshold",
}
ACTIVATIONS = {"transcoder": "relu", "jumprelu": "jumprelu", "topk": "topk"}
REQUIRED = ("W_enc", "W_dec", "b_enc", "b_dec")


def to_circuit_tracer(
    layers: Sequence[Dictionary], hooks: tuple[str, str], model_name: str
) -> tuple[dict[str, Any], list[dict[str, Tensor]]]:
    """Return the config of a set of transcoders, and the tensors of each layer.

    Args:
        layers: the transcoder of each of the model's layers, first to last.
        hooks: where they read and write inside a block, as in `("ln2.hook_normalized", "hook_mlp_out")`.
        model_name: for circuit-tracer to load.

    Raises:
        ArtifactError: an autoencoder, a kind that circuit-tracer lacks, or layers of different kinds or sizes.
    """
    described = [_described(dictionary) for dictionary in layers]
    if len({(activation, *shape) for activation, _, shape, _ in described}) != 1:
        kinds = ", ".join(f"{activation} {shape}" for activation, _, shape, _ in described)
        raise ArtifactError("layers differ in kind or size", value=kinds, remedy="circuit-tracer wants them alike.")
    activation, extra, _, _ = described[0]
    config = {
        "model_name": model_name,
        "model_kind": "transcoder_set",
        "feature_input_hook": hooks[0],
        "feature_output_hook": hooks[1],
        **({"activation": activation, **extra} if extra else {}),
    }
    return config, [tensors for *_, tensors in described]


def from_circuit_tracer(tensors: Mapping[str, Tensor], config: Mapping[str, Any] | None = None) -> Dictionary:
    """Return the dictionary of one layer's tensors.

    Args:
        tensors: of one `layer_{i}.safetensors`.
        config: `config.yaml`, which says so where a layer is a TopK.

    Raises:
        ArtifactError: a tensor is missing or has another shape than the others.
    """
    if missing := [name for name in REQUIRED if name not in tensors]:
        raise ArtifactError("layer lacks", value=", ".join(missing), remedy="It is no layer of a transcoder set.")
    named = {ours: tensors[theirs] for theirs, ours in OURS.items() if theirs in tensors}
    d_sae, d_in = named["W_enc"].shape
    activation = (config or {}).get("activation", "relu")
    base = "jumprelu" if "threshold" in named else "" if activation == "relu" else str(activation)
    architecture = "_".join(filter(None, (base, "skip" if "W_skip" in named else "", "transcoder")))
    cfg = {"architecture": architecture, "d_in": d_in, "d_sae": d_sae, "d_out": len(named["b_dec"])}
    if "k" in (config or {}):
        cfg |= {"k": dict(config or {})["k"], "rescale_acts_by_decoder_norm": False}
    return from_saelens(cfg, {**named, "W_enc": named["W_enc"].T}).eval()


def _described(dictionary: Dictionary) -> tuple[str, dict[str, Any], tuple[int, ...], dict[str, Tensor]]:
    """Return the activation, what it needs, the sizes, and the tensors of one layer."""
    cfg, tensors = to_saelens(dictionary)
    if dictionary.config.d_out is None:
        raise ArtifactError("circuit-tracer reads transcoders only", value=f"{dictionary.kind} autoencoder")
    base = cfg["architecture"].removesuffix("transcoder").removesuffix("skip_").removesuffix("_") or "transcoder"
    if base not in ACTIVATIONS:
        raise ArtifactError(
            "circuit-tracer has no such kind", value=dictionary.kind, remedy="It has relu, jumprelu, topk."
        )
    if cfg.get("rescale_acts_by_decoder_norm"):
        tensors = _measured_by_norm(tensors)
    named = {theirs: tensors[ours] for theirs, ours in OURS.items() if ours in tensors}
    extra = {"k": cfg["k"]} if "k" in cfg else {}
    shape = (dictionary.config.d_in, dictionary.config.d_sae, dictionary.config.width_out)
    return ACTIVATIONS[base], extra, shape, {**named, "W_enc": named["W_enc"].T.contiguous()}


def _measured_by_norm(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors whose codes are as large as what they add, so that the largest codes are the largest parts."""
    norms = tensors["W_dec"].norm(dim=1).clamp(min=1e-8)
    changed = {"W_enc": tensors["W_enc"] * norms, "b_enc": tensors["b_enc"] * norms}
    return {**tensors, **changed, "W_dec": tensors["W_dec"] / norms[:, None]}
