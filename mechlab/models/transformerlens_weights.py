"""Weights of TransformerLens objects, whole: HookedTransformer's own, and TransformerBridge's with its gaps filled.

A bridge leaves keys and values grouped, has None for absent biases, a norm's stored number for its gain and the
embedding before the model scales it; here all is as in a HookedTransformer.
"""

from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.model_bridge import TransformerBridge

from mechlab.core.errors import UsageError
from mechlab.models.weights import LayerWeights, Weights

HEADS = ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V")
NEURONS = ("W_in", "W_out", "b_in", "b_out")


def weights_of_hooked_transformer(model: HookedTransformer) -> Weights:
    """Return the weights, views of the model's own except where it expands grouped keys and values."""
    if (model.cfg.num_experts or 1) > 1:
        raise UsageError("a mixture of experts has no one matrix per layer", value=model.cfg.model_name)
    unembed, final, embed = model.unembed, getattr(model, "ln_final", None), model.W_E.detach()
    return Weights(
        W_E=embed,
        W_pos=model.pos_embed.W_pos.detach() if hasattr(model, "pos_embed") else None,
        W_U=unembed.W_U.detach(),
        b_U=unembed.b_U.detach(),
        ln_final_w=_or_ones(final, embed[0]),
        ln_final_b=_or_zeros(final, embed[0]),
        layers=tuple(_hooked_layer(block, embed[0]) for block in model.blocks),
    )


def _hooked_layer(block: Any, row: Tensor) -> LayerWeights:
    mlp = getattr(block, "mlp", None)
    empty: dict[str, Any] = {name: row.new_zeros(EMPTY[name](len(row))) for name in NEURONS}
    neurons = empty if mlp is None else {name: getattr(mlp, name).detach() for name in NEURONS}
    gate = getattr(mlp, "W_gate", None)
    post_norms: dict[str, Any] = {f"{name}_w": _gain(getattr(block, name, None)) for name in ("ln1_post", "ln2_post")}
    head_norms: dict[str, Any] = {f"{name}_w": _gain(getattr(block.attn, name, None)) for name in ("q_norm", "k_norm")}
    return LayerWeights(
        **{name: getattr(block.attn, name).detach() for name in (*HEADS, "b_O")},
        **neurons,
        W_gate=None if gate is None else gate.detach(),
        ln1_w=_or_ones(getattr(block, "ln1", None), row),
        ln1_b=_or_zeros(getattr(block, "ln1", None), row),
        ln2_w=_or_ones(getattr(block, "ln2", None), row),
        ln2_b=_or_zeros(getattr(block, "ln2", None), row),
        **post_norms,
        **head_norms,
    )


EMPTY = {
    "W_in": lambda d_model: (d_model, 0),
    "W_out": lambda d_model: (0, d_model),
    "b_in": lambda d_model: (0,),
    "b_out": lambda d_model: (d_model,),
}


def _gain(norm: Any) -> Tensor | None:
    return norm.w.detach() if hasattr(norm, "w") else None


def _or_ones(norm: Any, row: Tensor) -> Tensor:
    return norm.w.detach() if hasattr(norm, "w") else torch.ones_like(row)


def _or_zeros(norm: Any, row: Tensor) -> Tensor:
    return norm.b.detach() if hasattr(norm, "b") else torch.zeros_like(row)


def weights_of_bridge(model: TransformerBridge) -> Weights:
    """Return the weights, copies: a bridge may keep them in another layout."""
    bridge: Any = model
    every_token = torch.arange(bridge.cfg.d_vocab, device=bridge.W_E.device)[None]
    with torch.no_grad():
        embed = bridge.embed(every_token)[0].detach()
    parts = {name: _stacked(bridge, "attn", name) for name in (*HEADS, "b_O")}
    parts |= {name: _stacked(bridge, "mlp", name) for name in (*NEURONS, "W_gate")}
    final = _norm(bridge.ln_final, bridge.cfg)
    return Weights(
        W_E=embed,
        W_pos=bridge.pos_embed.weight.detach() if hasattr(bridge, "pos_embed") else None,
        W_U=bridge.W_U.detach(),
        b_U=bridge.b_U.detach(),
        ln_final_w=final[0],
        ln_final_b=final[1],
        layers=tuple(_bridge_layer(bridge, layer, parts) for layer in range(bridge.cfg.n_layers)),
    )


def _stacked(bridge: Any, component: str, name: str) -> Tensor | None:
    """Return the bridge's own stack over layers, None if no layer has it."""
    if all(getattr(getattr(block, component), name, None) is None for block in bridge.blocks):
        return None
    stack = getattr(bridge, name).detach()
    if name in ("W_K", "W_V", "b_K", "b_V"):
        return stack.repeat_interleave(bridge.cfg.n_heads // stack.shape[1], 1)
    return stack


def _bridge_layer(bridge: Any, layer: int, parts: dict[str, Tensor | None]) -> LayerWeights:
    block, own = bridge.blocks[layer], {name: stack[layer] for name, stack in parts.items() if stack is not None}
    row = own["W_O"][0, 0]
    zeros = {f"b_{name}": row.new_zeros(own[f"W_{name}"].shape[::2]) for name in "QKV"}
    zeros |= {"b_O": torch.zeros_like(row), "b_out": torch.zeros_like(row), "b_in": row.new_zeros(len(own["W_out"]))}
    ln1, ln2 = _norm(block.ln1, bridge.cfg), _norm(block.ln2, bridge.cfg)
    inner = {"ln1_post": block, "ln2_post": block, "q_norm": block.attn, "k_norm": block.attn}
    gains = {f"{name}_w": _norm(place._modules.get(name), bridge.cfg)[0] for name, place in inner.items()}
    return LayerWeights(**(zeros | own | gains), ln1_w=ln1[0], ln1_b=ln1[1], ln2_w=ln2[0], ln2_b=ln2[1])


def _norm(component: Any, cfg: Any) -> tuple[Any, Any]:
    """Return a norm's gain and bias; (None, None) where there is no norm."""
    if component is None:
        return None, None
    stored, bias = component.weight.detach(), getattr(component, "bias", None)
    gain = stored + 1 if getattr(cfg, "rmsnorm_uses_offset", False) else stored
    return gain, torch.zeros_like(gain) if bias is None else bias.detach()
