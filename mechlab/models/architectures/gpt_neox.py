"""GPT-NeoX and Pythia: partly rotated queries and keys, q k v fused within each head, parallel or sequential blocks."""

from typing import Any

from mechlab.models.architectures.layout import Block, HeadProjection, Layout, Norm


def layout(hf_model: Any) -> Layout:
    """Return where GPT-NeoX's parts are."""
    trunk, config = hf_model.gpt_neox, hf_model.config
    return Layout(
        trunk=trunk,
        embed=trunk.embed_in,
        blocks=tuple(_block(block, config) for block in trunk.layers),
        final_norm=Norm(trunk.final_layer_norm, "LN", config.layer_norm_eps),
        unembed=hf_model.get_output_embeddings(),
        parallel=config.use_parallel_residual,
    )


def _block(block: Any, config: Any) -> Block:
    attention = block.attention
    n_heads, d_head = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    fused = attention.query_key_value
    q, k, v = (HeadProjection(fused, n_heads, d_head, part, n_parts=3, by_head=True) for part in range(3))
    return Block(
        module=block,
        ln1=Norm(block.input_layernorm, "LN", config.layer_norm_eps),
        attention=attention,
        q=q,
        k=k,
        v=v,
        o=attention.dense,
        attn_out=attention,
        ln2=Norm(block.post_attention_layernorm, "LN", config.layer_norm_eps),
        mlp_in=block.mlp.dense_h_to_4h,
        mlp_proj=block.mlp.dense_4h_to_h,
        mlp_out=block.mlp,
    )
