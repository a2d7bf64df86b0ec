"""Tiny random Hugging Face models of every family, and the HookedTransformer that a reference library makes of them."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers as hf
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
from transformer_lens.pretrained import weight_conversions as convert

D_MODEL, N_LAYERS, N_HEADS, N_KV_HEADS, D_MLP, D_VOCAB, N_CTX = 32, 3, 4, 2, 48, 61, 48
PLAIN = {"fold_ln": False, "center_writing_weights": False, "center_unembed": False, "fold_value_biases": False}


@dataclass(frozen=True)
class Family:
    """How to build one family's tiny model, and how the reference library reads its weights."""

    config: Callable[[], Any]
    convert: Callable[[Any, Any], dict[str, Any]]
    reference: Callable[[Any], dict[str, Any]]


def tiny(family: str, seed: int = 0) -> Any:
    """Return a random Hugging Face model of the family in float32, its norms and biases far from their defaults."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = hf.AutoModelForCausalLM.from_config(FAMILIES[family].config()).float().eval()
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if "norm" in name or ".ln_" in name or name.endswith("bias"):
                parameter.data.add_(0.2 * noise)
            else:
                parameter.data.copy_(noise / math.sqrt(D_MODEL))
    return model.requires_grad_(False)


def hooked_transformer(model: Any, tokenizer: Any = None, **processing: bool) -> HookedTransformer:
    """Return the reference model of a tiny Hugging Face model (its weights are copied); keywords as in `PLAIN`."""
    family = next(f for f in FAMILIES.values() if isinstance(model.config, type(f.config())))
    common = {
        "original_architecture": type(model).__name__,
        "d_vocab": model.config.vocab_size,
        "n_layers": model.config.num_hidden_layers,
        "n_heads": model.config.num_attention_heads,
        "d_model": model.config.hidden_size,
        "n_ctx": model.config.max_position_embeddings,
        "init_weights": False,
        "device": "cpu",
        "dtype": torch.float32,
        "default_prepend_bos": False,
    }
    config = HookedTransformerConfig(**(common | family.reference(model.config)))
    reference = HookedTransformer(config, tokenizer, move_to_device=False)
    weights = {name: value.detach().clone() for name, value in family.convert(model, config).items()}
    reference.load_and_process_state_dict(weights, **(PLAIN | processing))
    return reference.eval().requires_grad_(False)


def bridge(model: Any) -> TransformerBridge:
    """Return the reference library's wrapper around a copy of a tiny Hugging Face model (wrapping changes a model)."""
    own = copy.deepcopy(model)
    return build_bridge_from_module(own, type(own).__name__, hf_config=own.config)


def token_rows(n_rows: int = 2, n_pos: int = 20, seed: int = 0) -> torch.Tensor:
    """Return rows of random token ids that every tiny model knows."""
    return torch.randint(3, D_VOCAB, (n_rows, n_pos), generator=torch.Generator().manual_seed(seed))


def _gpt2() -> Any:
    return hf.GPT2Config(
        vocab_size=D_VOCAB, n_positions=N_CTX, n_embd=D_MODEL, n_layer=N_LAYERS, n_head=N_HEADS, n_inner=D_MLP
    )


def _neox(parallel: bool) -> Any:
    return hf.GPTNeoXConfig(
        vocab_size=D_VOCAB,
        hidden_size=D_MODEL,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=N_HEADS,
        intermediate_size=D_MLP,
        max_position_embeddings=N_CTX,
        use_parallel_residual=parallel,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
    )


def _llama_like(kind: Any, **extra: Any) -> Any:
    fields = {
        "vocab_size": D_VOCAB,
        "hidden_size": D_MODEL,
        "intermediate_size": D_MLP,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": N_HEADS,
        "num_key_value_heads": N_KV_HEADS,
        "max_position_embeddings": N_CTX,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    return kind(**(fields | extra))


def _gemma2() -> Any:
    return _llama_like(
        hf.Gemma2Config,
        head_dim=6,
        query_pre_attn_scalar=10,
        sliding_window=7,
        attn_logit_softcapping=5.0,
        final_logit_softcapping=3.0,
    )


def _layer_norm(c: Any) -> dict[str, Any]:
    return {"normalization_type": "LN", "d_head": c.hidden_size // c.num_attention_heads}


def _gpt2_reference(c: Any) -> dict[str, Any]:
    return _layer_norm(c) | {"d_mlp": c.n_inner, "act_fn": "gelu_new", "eps": c.layer_norm_epsilon}


def _neox_reference(c: Any) -> dict[str, Any]:
    rope = c.rope_parameters
    d_head = c.hidden_size // c.num_attention_heads
    return _layer_norm(c) | {
        "d_mlp": c.intermediate_size,
        "act_fn": c.hidden_act,
        "eps": c.layer_norm_eps,
        "positional_embedding_type": "rotary",
        "rotary_adjacent_pairs": False,
        "rotary_base": rope["rope_theta"],
        "rotary_dim": int(d_head * rope["partial_rotary_factor"]),
        "parallel_attn_mlp": c.use_parallel_residual,
    }


def _llama_reference(c: Any) -> dict[str, Any]:
    d_head = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    return {
        "d_head": d_head,
        "d_mlp": c.intermediate_size,
        "act_fn": getattr(c, "hidden_act", None) or c.hidden_activation,
        "eps": c.rms_norm_eps,
        "normalization_type": "RMS",
        "positional_embedding_type": "rotary",
        "rotary_adjacent_pairs": False,
        "rotary_dim": d_head,
        "rotary_base": c.rope_parameters["rope_theta"],
        "gated_mlp": True,
        "final_rms": True,
        "n_key_value_heads": c.num_key_value_heads,
    }


def _qwen3_reference(c: Any) -> dict[str, Any]:
    return _llama_reference(c) | {"use_qk_norm": True}


def _mistral_reference(c: Any) -> dict[str, Any]:
    local = {"window_size": c.sliding_window, "use_local_attn": True, "attn_types": ["local"] * c.num_hidden_layers}
    return _llama_reference(c) | local


def _gemma2_reference(c: Any) -> dict[str, Any]:
    return _llama_reference(c) | {
        "act_fn": c.hidden_activation,
        "use_attn_scale": True,
        "attn_scale": math.sqrt(c.query_pre_attn_scalar),
        "window_size": c.sliding_window,
        "use_local_attn": True,
        "attn_types": ["local" if kind == "sliding_attention" else "global" for kind in c.layer_types],
        "attn_scores_soft_cap": c.attn_logit_softcapping,
        "output_logits_soft_cap": c.final_logit_softcapping,
        "use_normalization_before_and_after": True,
    }


FAMILIES: dict[str, Family] = {
    "gpt2": Family(_gpt2, convert.convert_gpt2_weights, _gpt2_reference),
    "neox_parallel": Family(lambda: _neox(True), convert.convert_neox_weights, _neox_reference),
    "neox_sequential": Family(lambda: _neox(False), convert.convert_neox_weights, _neox_reference),
    "llama": Family(lambda: _llama_like(hf.LlamaConfig), convert.convert_llama_weights, _llama_reference),
    "mistral": Family(
        lambda: _llama_like(hf.MistralConfig, sliding_window=7), convert.convert_mistral_weights, _mistral_reference
    ),
    "qwen2": Family(lambda: _llama_like(hf.Qwen2Config), convert.convert_qwen2_weights, _llama_reference),
    "qwen3": Family(lambda: _llama_like(hf.Qwen3Config, head_dim=10), convert.convert_qwen3_weights, _qwen3_reference),
    "gemma2": Family(_gemma2, convert.convert_gemma_weights, _gemma2_reference),
}
