"""Llama and its kin (Mistral, Qwen2, Qwen3): RMSNorm, rotated and grouped queries, gated MLP; Qwen3 norms q and k."""

from typing import Any

from mechlab.models.architectures.layout import Block, HeadProjection, Layout, Norm


def layout(hf_model: Any) -> Layout:
    """Return where the parts of a Llama-like model are."""
    trunk, config = hf_model.model, hf_model.config
    return Layout(
        trunk=trunk,
        embed=trunk.embed_tokens,
        blocks=tuple(_block(block, config) for block in trunk.layers),
        final_norm=Norm(trunk.norm, "RMS", config.rms_norm_eps),
        unembed=hf_model.lm_head,
    )


def _block(block: Any, config: Any) -> Block:
    attention, eps = block.self_attn, config.rms_norm_eps
    q, k, v = head_projections(attention, config)
    return Block(
        module=block,
        ln1=Norm(block.input_layernorm, "RMS", eps),
        attention=attention,
        q=q,
        k=k,
        v=v,
        q_norm=Norm(attention.q_norm, "RMS", eps) if hasattr(attention, "q_norm") else None,
        k_norm=Norm(attention.k_norm, "RMS", eps) if hasattr(attention, "k_norm") else None,
        o=attention.o_proj,
        attn_out=attention,
        ln2=Norm(block.post_attention_layernorm, "RMS", eps),
        mlp_in=block.mlp.up_proj,
        mlp_gate=block.mlp.gate_proj,
        mlp_proj=block.mlp.down_proj,
        mlp_out=block.mlp,
    )


def head_projections(attention: Any, config: Any) -> tuple[HeadProjection, HeadProjection, HeadProjection]:
    """Return q, k and v of an attention with separate projections, grouped or not."""
    n_heads, n_kv_heads, d_head = config.num_attention_heads, config.num_key_value_heads, attention.head_dim
    return (
        HeadProjection(attention.q_proj, n_heads, d_head),
        HeadProjection(attention.k_proj, n_kv_heads, d_head),
        HeadProjection(attention.v_proj, n_kv_heads, d_head),
    )
