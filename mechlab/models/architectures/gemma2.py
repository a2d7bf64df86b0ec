"""Gemma-2: norms before and after each part, soft-capped scores and logits, every other layer sees a window only."""

from typing import Any

from mechlab.models.architectures.layout import Block, Layout, Norm
from mechlab.models.architectures.llama import head_projections


def layout(hf_model: Any) -> Layout:
    """Return where Gemma-2's parts are."""
    trunk, config = hf_model.model, hf_model.config
    return Layout(
        trunk=trunk,
        embed=trunk.embed_tokens,
        blocks=tuple(_block(block, config) for block in trunk.layers),
        final_norm=_norm(trunk.norm, config),
        unembed=hf_model.lm_head,
        embed_scale=config.hidden_size**0.5,
        logit_cap=config.final_logit_softcapping,
    )


def _norm(module: Any, config: Any) -> Norm:
    return Norm(module, "RMS", config.rms_norm_eps, gain_offset=1.0)


def _block(block: Any, config: Any) -> Block:
    q, k, v = head_projections(block.self_attn, config)
    return Block(
        module=block,
        ln1=_norm(block.input_layernorm, config),
        attention=block.self_attn,
        q=q,
        k=k,
        v=v,
        o=block.self_attn.o_proj,
        ln1_post=_norm(block.post_attention_layernorm, config),
        attn_out=block.post_attention_layernorm,
        ln2=_norm(block.pre_feedforward_layernorm, config),
        mlp_in=block.mlp.up_proj,
        mlp_gate=block.mlp.gate_proj,
        mlp_proj=block.mlp.down_proj,
        ln2_post=_norm(block.post_feedforward_layernorm, config),
        mlp_out=block.post_feedforward_layernorm,
    )
