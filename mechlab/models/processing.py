"""Weight processing: the same function with easier weights, on a copy that records what was applied and what was not.

1. `fold_norm`: a norm's gain and bias go into the matrices that read it; under LayerNorm these also lose the part along
   the mean, which the norm removes anyway.
2. `center_writing`: every matrix that writes to the residual stream loses its mean over the stream (LayerNorm only).
3. `center_unembed`: logits lose their mean over the vocabulary, which no probability sees.
4. `fold_value_biases`: patterns sum to 1, so the value biases are a constant and join the output bias.

Source: the steps and their names are those of TransformerLens (`fold_ln`, `center_writing_weights`, `center_unembed`,
`fold_value_biases`); its tests are their oracle here. We differ in never touching the model that was handed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mechlab.core.errors import UsageError
from mechlab.models.architectures import ARCHITECTURES
from mechlab.models.architectures.layout import Layout, Norm, linear_bias, linear_weight
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.weight_copy import module_copy, own_bias, untie
from mechlab.models.weights import Weights

# Means of random rows are 1 / sqrt(width) of their size, over 0.002 for any width in use; centred ones are far below.
ROUNDING = 3e-4


@dataclass(frozen=True)
class Step:
    """One kind of processing: how to apply it in place, and why it cannot be (None: it can)."""

    apply: Callable[[Layout], None]
    obstacle: Callable[[Layout], str | None]


def processed(
    model: LanguageModel,
    fold_norm: bool = True,
    center_writing: bool = True,
    center_unembed: bool = True,
    fold_value_biases: bool = True,
) -> LanguageModel:
    """Return a processed copy; its log-probabilities are the model's, its `.processing` names what was done.

    A step the architecture does not allow is left out and recorded as `NAME skipped: REASON`. Arithmetic is in float64,
    rounded to the model's own number type at the end.

    Raises:
        UsageError: the model is processed already, has an edit or a reading open (the copy would keep it), or belongs
            to TransformerLens, which has its own processing.
    """
    original = _processable(model)
    wanted = {
        "fold_norm": fold_norm,
        "center_writing": center_writing,
        "center_unembed": center_unembed,
        "fold_value_biases": fold_value_biases,
    }
    own = module_copy(original)
    layout: Layout = ARCHITECTURES[own.config.model_type](own)
    untie(own, layout)
    record = tuple(_take(step, layout) for step in STEPS if wanted[step])
    return HuggingFaceModel(own, model.tokenizer, model.name, record)


def _processable(model: LanguageModel) -> HuggingFaceModel:
    if not isinstance(model, HuggingFaceModel):
        remedy = "Process it there, or load the Hugging Face model."
        raise UsageError("only a Hugging Face model can be processed", value=model.name, remedy=remedy)
    if model.processing:
        raise UsageError("model is processed already", value=", ".join(model.processing), remedy="Pass the original.")
    return model


@torch.no_grad()
def _take(name: str, layout: Layout) -> str:
    """Apply a step if nothing forbids it; return its line for the record."""
    reason = STEPS[name].obstacle(layout)
    if reason is not None:
        return f"{name} skipped: {reason}"
    STEPS[name].apply(layout)
    return name


def _fold_norms(layout: Layout) -> None:
    for block in layout.blocks:
        heads = (block.q, block.k, block.v)
        if block.ln1.bias() is not None:
            for part in heads:
                own_bias(part.module)
        _absorb(block.ln1, [(part.weight(), part.bias()) for part in heads])
        _absorb_linear(block.ln2, [module for module in (block.mlp_in, block.mlp_gate) if module is not None])
    _absorb_linear(layout.final_norm, [layout.unembed])


def _absorb_linear(norm: Norm, modules: list[nn.Module]) -> None:
    if norm.bias() is not None:
        for module in modules:
            own_bias(module)
    _absorb(norm, [(linear_weight(module), linear_bias(module)) for module in modules])


def _absorb(norm: Norm, readers: list[tuple[Tensor, Tensor]]) -> None:
    """Move a norm's gain and bias into the (weight [... d_model d_out], bias [... d_out]) views that read it."""
    gain, shift = norm.gain().double(), norm.bias()
    for weight, bias in readers:
        if shift is not None:
            bias.copy_(bias.double() + shift.double() @ weight.double())
        folded = weight.double() * gain[:, None]
        weight.copy_(folded - folded.mean(-2, keepdim=True) if norm.kind == "LN" else folded)
    stored: Any = norm.module.weight
    stored.fill_(1 - norm.gain_offset)
    if shift is not None:
        shift.zero_()


def _center_writing(layout: Layout) -> None:
    tables = [module.weight for module in (layout.embed, layout.pos_embed) if module is not None]
    writers = [module for block in layout.blocks for module in (block.o, block.mlp_proj)]
    for matrix in [*tables, *map(linear_weight, writers), *map(linear_bias, writers)]:
        _center(matrix)


def _center_unembed(layout: Layout) -> None:
    _center(linear_weight(layout.unembed))
    _center(linear_bias(layout.unembed))


def _center(matrix: Float[Tensor, "*lead width"]) -> None:
    """Subtract the mean over the last axis, in place."""
    matrix.copy_(matrix.double() - matrix.double().mean(-1, keepdim=True))


def _fold_value_biases(layout: Layout) -> None:
    for block in layout.blocks:
        bias = block.v.bias()
        shared = bias.double().repeat_interleave(block.q.n_heads // block.v.n_heads, 0)
        out = own_bias(block.o)
        out.copy_(out.double() + shared.flatten() @ linear_weight(block.o).double())
        bias.zero_()


def _nothing(layout: Layout) -> str | None:
    return None


def _keeps_the_mean(layout: Layout) -> str | None:
    norms = [norm for block in layout.blocks for norm in (block.ln1, block.ln2)]
    return None if all(norm.kind == "LN" for norm in [*norms, layout.final_norm]) else "RMSNorm sees the mean"


def _caps_logits(layout: Layout) -> str | None:
    return None if layout.logit_cap is None else "the soft cap on logits sees their mean"


def _has_no_value_biases(layout: Layout) -> str | None:
    return None if any(block.v.bias().any() for block in layout.blocks) else "no value biases"


STEPS = {
    "fold_norm": Step(_fold_norms, _nothing),
    "center_writing": Step(_center_writing, _keeps_the_mean),
    "center_unembed": Step(_center_unembed, _caps_logits),
    "fold_value_biases": Step(_fold_value_biases, _has_no_value_biases),
}


def found_processing(weights: Weights) -> tuple[str, ...]:
    """Return the steps these weights show the marks of, for a model that somebody else processed."""
    norms = [(weights.ln_final_w, weights.ln_final_b)]
    norms += [pair for layer in weights.layers for pair in ((layer.ln1_w, layer.ln1_b), (layer.ln2_w, layer.ln2_b))]
    written = [weights.W_E, *(matrix for layer in weights.layers for matrix in (layer.W_O, layer.W_out))]
    value_biases = [layer.b_V for layer in weights.layers]
    marks = {
        "fold_norm": all(bool((gain == 1).all()) and not bias.any() for gain, bias in norms),
        "center_writing": all(_is_centred(matrix) for matrix in written),
        "center_unembed": _is_centred(weights.W_U),
        "fold_value_biases": not any(bias.any() for bias in value_biases) and any(x.b_O.any() for x in weights.layers),
    }
    return tuple(step for step in STEPS if marks[step])


def _is_centred(matrix: Float[Tensor, "*lead width"]) -> bool:
    """Tell whether the means over the last axis are zero, but for rounding."""
    means = matrix.float().mean(-1)
    return bool(means.square().mean().sqrt() <= ROUNDING * matrix.float().square().mean().sqrt())
