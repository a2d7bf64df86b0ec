"""One prompt's forward pass with its nonlinear parts held still: the linear model that attribution is exact in.

1. Attention patterns and the norms' divisors stay what they were.
2. An MLP's output is what its transcoder makes of what it reads, and the error that is left.
3. At a leading BOS token, whose activations are unlike all others, an MLP's output is one constant.
4. All of it is held in float32 at least: what a narrower model rounds on its way stays missing from sums.

Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (frozen patterns and norms); Ameisen
et al. 2025, "Circuit Tracing" (errors as sources). Biases, positions and BOS are ours: with them nothing is left over.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel
from mechlab.models.spec import ModelSpec
from mechlab.models.weights import LayerWeights, Weights

OF_MLPS = ("W_in", "W_out", "W_gate", "b_in", "b_out")
Held = TypeVar("Held", Weights, LayerWeights)
Stream = Float[Tensor, "pos d_model"]
Divisor = Float[Tensor, "pos 1"]


@dataclass(frozen=True, eq=False)
class FrozenLayer:
    """What is held still in one layer, and what went into its MLP and came out.

    Attributes:
        pattern: of every head.
        ln1: what the norm before the heads divided by.
        ln1_post: what the norm behind the heads divided by; None where there is none.
        read_divisor: what the transcoder's input was divided by; None where it reads the stream itself.
        read: what the transcoder reads.
        written: what the MLP wrote.
    """

    pattern: Float[Tensor, "n_heads pos pos"]
    ln1: Divisor
    ln1_post: Divisor | None
    read_divisor: Divisor | None
    read: Stream
    written: Stream


@dataclass(frozen=True, eq=False)
class FrozenPass:
    """A pass over one prompt.

    Attributes:
        final: what the last norm gave, before its gain.
        ln_final: what it divided by.
        has_bos: whether the first token is a BOS.
    """

    tokens: Int[Tensor, "pos"]
    spec: ModelSpec
    weights: Weights
    transcoders: TranscoderSet
    layers: tuple[FrozenLayer, ...]
    final: Stream
    ln_final: Divisor
    has_bos: bool

    @property
    def n_pos(self) -> int:
        """Number of tokens."""
        return len(self.tokens)

    def centred(self, vectors: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
        """Return vectors without their mean where the model's norms remove it."""
        return vectors - vectors.mean(-1, keepdim=True) if self.spec.normalization == "LN" else vectors


@torch.no_grad()
def frozen_pass(model: LanguageModel, transcoders: TranscoderSet, tokens: Int[Tensor, "1 pos"]) -> FrozenPass:
    """Return what is held still of a model's pass over a prompt.

    Raises:
        UsageError: the prompt does not fit the model, or the transcoders are of more or fewer layers.
    """
    spec = model.spec
    if transcoders.n_layers != spec.n_layers:
        value = f"{transcoders.n_layers} of {spec.n_layers}"
        raise UsageError("transcoders are not of all layers", value=value, remedy="Give one for each layer.")
    tokens, places, dtype = model.checked(tokens), _places(spec, transcoders), at_least_float32(model.dtype)
    with model.edit({place: torch.clone for place in places if place.partition(".")[0] in _rounded(model)}):
        seen = {name: found[0].to(dtype) for name, found in model.activations(tokens, places).items()}
    transcoders = transcoders.in_dtype(dtype)
    layers = tuple(_layer(transcoders, seen, layer) for layer in range(spec.n_layers))
    end = seen[f"resid_post.{spec.n_layers - 1}"]
    return FrozenPass(
        tokens=tokens[0],
        spec=spec,
        weights=_widened(model.weights(), dtype),
        transcoders=transcoders,
        layers=layers,
        final=seen.get("ln_final_normalized", end),
        ln_final=seen.get("ln_final_scale", torch.ones_like(end[:, :1])),
        has_bos=model.bos_id is not None and int(tokens[0, 0]) == model.bos_id,
    )


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """Return a number type, or float32 where it is narrower."""
    return torch.promote_types(dtype, torch.float32)


def _widened(weights: Weights, dtype: torch.dtype) -> Weights:
    """Return weights in another number type, those of MLPs as they are: transcoders stand in for them."""
    if weights.W_E.dtype == dtype:
        return weights
    return replace(_cast(weights, dtype), layers=tuple(_cast(one, dtype) for one in weights.layers))


def _cast(held: Held, dtype: torch.dtype) -> Held:
    values = {one.name: getattr(held, one.name) for one in fields(held) if one.name not in OF_MLPS}
    return replace(held, **{name: value.to(dtype) for name, value in values.items() if isinstance(value, Tensor)})


def _places(spec: ModelSpec, transcoders: TranscoderSet) -> list[str]:
    kinds = ["pattern", transcoders.read_kind, "mlp_out"]
    kinds += [] if spec.normalization == "none" else ["ln1_scale", "ln2_scale"]
    kinds += ["ln1_post_scale"] if spec.post_norms else []
    final = [] if spec.normalization == "none" else ["ln_final_scale", "ln_final_normalized"]
    layers = [f"{kind}.{layer}" for layer in range(spec.n_layers) for kind in kinds]
    return [*layers, f"resid_post.{spec.n_layers - 1}", *final]


def _rounded(model: LanguageModel) -> tuple[str, ...]:
    """Return the norms' divisors that have to be handed back: RMS norms of a float64 model round to float32 else."""
    is_rounded = model.dtype == torch.float64 and model.spec.normalization == "RMS"
    return ("ln1_scale", "ln2_scale", "ln1_post_scale", "ln_final_scale") if is_rounded else ()


def _layer(transcoders: TranscoderSet, seen: dict[str, Tensor], layer: int) -> FrozenLayer:
    read, normed = seen[transcoders.site(layer)], transcoders.read_kind.endswith("_normalized")
    return FrozenLayer(
        pattern=seen[f"pattern.{layer}"],
        ln1=seen.get(f"ln1_scale.{layer}", torch.ones_like(read[:, :1])),
        ln1_post=seen.get(f"ln1_post_scale.{layer}"),
        read_divisor=seen[f"ln2_scale.{layer}"] if normed else None,
        read=read,
        written=seen[f"mlp_out.{layer}"],
    )
