"""Weights by their TransformerLens names and shapes: every head apart, ready to multiply from the right.

A layer's weights (`weights.layers[2].W_Q`) are views of the model's own memory wherever its layout allows; they are
copies where keys and values are repeated for all heads (grouped queries) and where the model stores something else
(Gemma's scaled embedding and gains minus 1). Weights stacked over layers (`weights.W_Q`) are copies, made when first
asked for.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.models.architectures.layout import Block, HeadProjection, Layout, Norm, linear_bias, linear_weight

Heads = Float[Tensor, "n_layers n_heads d_model d_head"]
HeadBiases = Float[Tensor, "n_layers n_heads d_head"]
PerLayer = Float[Tensor, "n_layers d_model"]


@dataclass(frozen=True)
class LayerWeights:
    """One layer: attention per head, MLP, and the norms' gains (`w`, 1 where absent) and biases (`b`, 0 where absent).

    `W_in` makes the neurons' linear part, `W_gate` the part that goes through the nonlinearity where there are both.
    """

    W_Q: Float[Tensor, "n_heads d_model d_head"]
    W_K: Float[Tensor, "n_heads d_model d_head"]
    W_V: Float[Tensor, "n_heads d_model d_head"]
    W_O: Float[Tensor, "n_heads d_head d_model"]
    b_Q: Float[Tensor, "n_heads d_head"]
    b_K: Float[Tensor, "n_heads d_head"]
    b_V: Float[Tensor, "n_heads d_head"]
    b_O: Float[Tensor, "d_model"]
    W_in: Float[Tensor, "d_model d_mlp"]
    W_out: Float[Tensor, "d_mlp d_model"]
    b_in: Float[Tensor, "d_mlp"]
    b_out: Float[Tensor, "d_model"]
    ln1_w: Float[Tensor, "d_model"]
    ln1_b: Float[Tensor, "d_model"]
    ln2_w: Float[Tensor, "d_model"]
    ln2_b: Float[Tensor, "d_model"]
    W_gate: Float[Tensor, "d_model d_mlp"] | None = None
    q_norm_w: Float[Tensor, "d_head"] | None = None
    k_norm_w: Float[Tensor, "d_head"] | None = None
    ln1_post_w: Float[Tensor, "d_model"] | None = None
    ln2_post_w: Float[Tensor, "d_model"] | None = None


@dataclass(frozen=True)
class Weights:
    """All weights of a model; `layers` one by one, the same names stacked over layers.

    Attributes:
        W_E: embedding, with the scale the model multiplies it by.
        W_pos: learned positions, None where positions are rotations.
    """

    W_E: Float[Tensor, "d_vocab d_model"]
    W_pos: Float[Tensor, "n_ctx d_model"] | None
    W_U: Float[Tensor, "d_model d_vocab"]
    b_U: Float[Tensor, "d_vocab"]
    ln_final_w: Float[Tensor, "d_model"]
    ln_final_b: Float[Tensor, "d_model"]
    layers: tuple[LayerWeights, ...]

    @cached_property
    def W_Q(self) -> Heads:
        """Query matrix of every head."""
        return torch.stack([layer.W_Q for layer in self.layers])

    @cached_property
    def W_K(self) -> Heads:
        """Key matrix of every head, shared ones repeated."""
        return torch.stack([layer.W_K for layer in self.layers])

    @cached_property
    def W_V(self) -> Heads:
        """Value matrix of every head, shared ones repeated."""
        return torch.stack([layer.W_V for layer in self.layers])

    @cached_property
    def W_O(self) -> Float[Tensor, "n_layers n_heads d_head d_model"]:
        """Output matrix of every head."""
        return torch.stack([layer.W_O for layer in self.layers])

    @cached_property
    def b_Q(self) -> HeadBiases:
        """Query bias of every head."""
        return torch.stack([layer.b_Q for layer in self.layers])

    @cached_property
    def b_K(self) -> HeadBiases:
        """Key bias of every head, shared ones repeated."""
        return torch.stack([layer.b_K for layer in self.layers])

    @cached_property
    def b_V(self) -> HeadBiases:
        """Value bias of every head, shared ones repeated."""
        return torch.stack([layer.b_V for layer in self.layers])

    @cached_property
    def b_O(self) -> PerLayer:
        """Bias of every layer's attention output."""
        return torch.stack([layer.b_O for layer in self.layers])

    @cached_property
    def W_in(self) -> Float[Tensor, "n_layers d_model d_mlp"]:
        """Matrix into every layer's neurons."""
        return torch.stack([layer.W_in for layer in self.layers])

    @cached_property
    def W_gate(self) -> Float[Tensor, "n_layers d_model d_mlp"] | None:
        """Matrix into every layer's gates, None without gates."""
        gates = [layer.W_gate for layer in self.layers if layer.W_gate is not None]
        return torch.stack(gates) if gates else None

    @cached_property
    def W_out(self) -> Float[Tensor, "n_layers d_mlp d_model"]:
        """Matrix out of every layer's neurons."""
        return torch.stack([layer.W_out for layer in self.layers])

    @cached_property
    def b_in(self) -> Float[Tensor, "n_layers d_mlp"]:
        """Bias of every layer's neurons."""
        return torch.stack([layer.b_in for layer in self.layers])

    @cached_property
    def b_out(self) -> PerLayer:
        """Bias of every layer's MLP output."""
        return torch.stack([layer.b_out for layer in self.layers])


def weights_of(layout: Layout) -> Weights:
    """Return the weights of a Hugging Face model, detached from autograd; editing a view edits the model."""
    embed, pos_embed = layout.embed.weight, getattr(layout.pos_embed, "weight", None)
    return Weights(
        W_E=(embed if layout.embed_scale == 1 else embed * layout.embed_scale).detach(),  # type: ignore[operator, union-attr]
        W_pos=None if pos_embed is None else pos_embed.detach(),
        W_U=linear_weight(layout.unembed).detach(),
        b_U=linear_bias(layout.unembed).detach(),
        ln_final_w=layout.final_norm.gain().detach(),
        ln_final_b=_bias(layout.final_norm),
        layers=tuple(_layer(block) for block in layout.blocks),
    )


def _layer(block: Block) -> LayerWeights:
    n_heads = block.q.n_heads
    (W_Q, b_Q), (W_K, b_K), (W_V, b_V) = (_expanded(part, n_heads) for part in (block.q, block.k, block.v))
    return LayerWeights(
        W_Q=W_Q,
        W_K=W_K,
        W_V=W_V,
        W_O=linear_weight(block.o).detach().unflatten(0, (n_heads, block.q.d_head)),
        b_Q=b_Q,
        b_K=b_K,
        b_V=b_V,
        b_O=linear_bias(block.o).detach(),
        W_in=linear_weight(block.mlp_in).detach(),
        W_gate=None if block.mlp_gate is None else linear_weight(block.mlp_gate).detach(),
        W_out=linear_weight(block.mlp_proj).detach(),
        b_in=linear_bias(block.mlp_in).detach(),
        b_out=linear_bias(block.mlp_proj).detach(),
        ln1_w=block.ln1.gain().detach(),
        ln1_b=_bias(block.ln1),
        ln2_w=block.ln2.gain().detach(),
        ln2_b=_bias(block.ln2),
        q_norm_w=_gain(block.q_norm),
        k_norm_w=_gain(block.k_norm),
        ln1_post_w=_gain(block.ln1_post),
        ln2_post_w=_gain(block.ln2_post),
    )


def _expanded(
    part: HeadProjection, n_heads: int
) -> tuple[Float[Tensor, "n_heads d_model d_head"], Float[Tensor, "n_heads d_head"]]:
    """Return a projection's matrices and biases, repeated for the query heads that share them."""
    weight, bias = part.weight().detach(), part.bias().detach()
    group = n_heads // part.n_heads
    if group == 1:
        return weight, bias
    return weight.repeat_interleave(group, 0), bias.repeat_interleave(group, 0)


def _gain(norm: Norm | None) -> Float[Tensor, "width"] | None:
    return None if norm is None else norm.gain().detach()


def _bias(norm: Norm) -> Float[Tensor, "width"]:
    bias = norm.bias()
    return torch.zeros_like(norm.gain().detach()) if bias is None else bias.detach()
