"""The parts list of a transformer: which module plays which part, and how its weights are laid out.

`linear_weight(module)` and `linear_bias(module)` read a projection as [d_in d_out] whatever its class; `Norm.gain()`
and `.bias()` a norm; `HeadProjection.weight()` and `.bias()` one of q, k, v per head, fused with the others or not.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from mechlab.models.spec import ModelSpec


def linear_weight(module: nn.Module) -> Float[Tensor, "d_in d_out"]:
    """Return a projection's matrix as it multiplies from the right; a view of the model's weight."""
    weight: Any = module.weight
    return weight if isinstance(module, Conv1D) else weight.T


def linear_bias(module: nn.Module) -> Float[Tensor, "d_out"]:
    """Return a projection's bias, zeros if it has none."""
    bias: Any = module.bias
    return linear_weight(module).new_zeros(linear_weight(module).shape[1]) if bias is None else bias


@dataclass(frozen=True)
class Norm:
    """A normalization: LN centres, RMS does not; `gain_offset` is 1 where the stored weight is the gain minus 1."""

    module: nn.Module
    kind: str
    eps: float
    gain_offset: float = 0.0

    def gain(self) -> Float[Tensor, "width"]:
        """Return what the normalized activation is multiplied by."""
        weight: Any = self.module.weight
        return weight + self.gain_offset if self.gain_offset else weight

    def bias(self) -> Float[Tensor, "width"] | None:
        """Return what is added after the gain, None where nothing is."""
        bias: Any = getattr(self.module, "bias", None)
        return bias


@dataclass(frozen=True)
class HeadProjection:
    """One of q, k, v: a projection, or one part of a fused one.

    Attributes:
        part: which of the `n_parts` fused parts it is.
        by_head: fused within each head ([n_heads n_parts d_head], GPT-NeoX), not side by side ([n_parts n_heads
            d_head], GPT-2).
    """

    module: nn.Module
    n_heads: int
    d_head: int
    part: int = 0
    n_parts: int = 1
    by_head: bool = False

    def heads(self, output: Float[Tensor, "*lead width"]) -> Float[Tensor, "*lead n_heads d_head"]:
        """Return this part of the projection's output (or of its columns), per head; a view."""
        shape = (self.n_heads, self.n_parts) if self.by_head else (self.n_parts, self.n_heads)
        return output.unflatten(-1, (*shape, self.d_head)).select(-2 if self.by_head else -3, self.part)

    def weight(self) -> Float[Tensor, "n_heads d_model d_head"]:
        """Return the matrix of each head."""
        return self.heads(linear_weight(self.module)).transpose(0, 1)

    def bias(self) -> Float[Tensor, "n_heads d_head"]:
        """Return the bias of each head, zeros if there is none."""
        return self.heads(linear_bias(self.module))


@dataclass(frozen=True)
class Block:
    """The parts of one layer.

    Attributes:
        attention: the module that calls the attention function.
        o: the projection from heads to the residual stream.
        attn_out: the module whose output joins the residual stream: attention itself, or the norm after it.
        mlp_in: the projection into the neurons; the linear one where there is also a gate.
        mlp_proj: the projection from neurons to the residual stream.
        mlp_out: the module whose output joins the residual stream.
    """

    module: nn.Module
    ln1: Norm
    attention: nn.Module
    q: HeadProjection
    k: HeadProjection
    v: HeadProjection
    o: nn.Module
    attn_out: nn.Module
    ln2: Norm
    mlp_in: nn.Module
    mlp_proj: nn.Module
    mlp_out: nn.Module
    mlp_gate: nn.Module | None = None
    q_norm: Norm | None = None
    k_norm: Norm | None = None
    ln1_post: Norm | None = None
    ln2_post: Norm | None = None


@dataclass(frozen=True)
class Layout:
    """The parts of a model.

    Attributes:
        trunk: everything but the unembedding; running it is enough to reach any site.
        parallel: attention and MLP both read the block's input.
        embed_scale: what the embedding module multiplies its rows by.
        logit_cap: logits are `cap * tanh(logits / cap)`; None leaves them as they are.
    """

    trunk: nn.Module
    embed: nn.Module
    blocks: tuple[Block, ...]
    final_norm: Norm
    unembed: nn.Module
    pos_embed: nn.Module | None = None
    parallel: bool = False
    embed_scale: float = 1.0
    logit_cap: float | None = None


def spec_of(hf_model: Any, layout: Layout) -> ModelSpec:
    """Return the spec of a model, its sizes measured on the weights."""
    block, config = layout.blocks[0], hf_model.config
    embedding: Any = layout.embed.weight
    d_vocab, d_model = embedding.shape
    return ModelSpec(
        architecture=config.model_type,
        n_layers=len(layout.blocks),
        d_model=d_model,
        n_heads=block.q.n_heads,
        n_kv_heads=block.k.n_heads,
        d_head=block.q.d_head,
        d_mlp=linear_weight(block.mlp_in).shape[1],
        d_vocab=d_vocab,
        n_ctx=config.max_position_embeddings,
        n_params=sum(parameter.numel() for parameter in hf_model.parameters()),
        normalization="LN" if block.ln1.kind == "LN" else "RMS",
        positional="rotary" if layout.pos_embed is None else "learned",
        activation=next(getattr(config, key) for key in _ACTIVATION_KEYS if hasattr(config, key)),
        gated_mlp=block.mlp_gate is not None,
        parallel=layout.parallel,
        post_norms=block.ln1_post is not None,
        qk_norm=block.q_norm is not None,
    )


_ACTIVATION_KEYS = ("activation_function", "hidden_activation", "hidden_act")
