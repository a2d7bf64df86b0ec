"""GPT-2: learned positions, LayerNorm, q k v side by side in one matrix, sequential blocks."""

from typing import Any

from mechlab.models.architectures.layout import Block, HeadProjection, Layout, Norm


def layout(hf_model: Any) -> Layout:
    """Return where GPT-2's parts are."""
    trunk, config = hf_model.transformer, hf_model.config
    return Layout(
        trunk=trunk,
        embed=trunk.wte,
        pos_embed=trunk.wpe,
        blocks=tuple(_block(block, config) for block in trunk.h),
        final_norm=Norm(trunk.ln_f, "LN", config.layer_norm_epsilon),
        unembed=hf_model.lm_head,
    )


def _block(block: Any, config: Any) -> Block:
    n_heads, d_head = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    q, k, v = (HeadProjection(block.attn.c_attn, n_heads, d_head, part, n_parts=3) for part in range(3))
    return Block(
        module=block,
        ln1=Norm(block.ln_1, "LN", config.layer_norm_epsilon),
        attention=block.attn,
        q=q,
        k=k,
        v=v,
        o=block.attn.c_proj,
        attn_out=block.attn,
        ln2=Norm(block.ln_2, "LN", config.layer_norm_epsilon),
        mlp_in=block.mlp.c_fc,
        mlp_proj=block.mlp.c_proj,
        mlp_out=block.mlp,
    )
