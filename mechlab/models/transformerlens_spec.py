"""The spec of a TransformerLens object, read off its config and its hook points."""

from typing import Any

import transformers

from mechlab.core.errors import UsageError
from mechlab.models.spec import ModelSpec


def spec_of_lens(wrapped: Any, architecture: str) -> ModelSpec:
    """Return the spec of a TransformerLens object.

    Raises:
        UsageError: it is no decoder-only model.
    """
    cfg, hooks = wrapped.cfg, wrapped.hook_dict
    if "blocks.0.hook_resid_pre" not in hooks:
        raise UsageError("only decoder-only language models are supported", value=architecture)
    normalization: Any = (cfg.normalization_type or "none").removesuffix("Pre")
    rotary, learned = cfg.positional_embedding_type == "rotary", "hook_pos_embed" in hooks
    return ModelSpec(
        architecture=architecture,
        n_layers=cfg.n_layers,
        d_model=cfg.d_model,
        n_heads=cfg.n_heads,
        n_kv_heads=cfg.n_key_value_heads or cfg.n_heads,
        d_head=cfg.d_head,
        d_mlp=0 if cfg.attn_only else cfg.d_mlp,
        d_vocab=cfg.d_vocab,
        n_ctx=cfg.n_ctx,
        n_params=sum(parameter.numel() for parameter in wrapped.parameters()),
        normalization=normalization,
        positional="rotary" if rotary else "learned" if learned else "none",
        activation=cfg.act_fn or "",
        gated_mlp=bool(cfg.gated_mlp),
        parallel=bool(cfg.parallel_attn_mlp),
        post_norms="blocks.0.ln1_post.hook_scale" in hooks,
        qk_norm="blocks.0.attn.q_norm.hook_scale" in hooks,
    )


def model_type(class_name: str | None) -> str:
    """Return Hugging Face's `model_type` for the name of one of its classes, a name of our own if it has none."""
    found = getattr(transformers, class_name or "", None)
    return "hooked_transformer" if found is None else found.config_class.model_type
