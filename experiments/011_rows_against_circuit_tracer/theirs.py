"""circuit-tracer's graph of the same model, transcoders and prompt, by its TransformerLens backend.

The package does not install beside transformers 5. Unpack its wheel (0.5.0) and put the folder on PYTHONPATH; one name
that newer hub libraries lack is given back before it is imported.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import huggingface_hub.constants
import torch
from cases import BOS, HOOKS, Case
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights

from mechlab.core.errors import UsageError


def theirs(case: Case, at_once: int, lazy_encoder: bool) -> Callable[[], Any]:
    """Return what makes their graph, encoders loaded unless they are lazy; decoders never are.

    Raises:
        UsageError: circuit-tracer is not to be found.
    """
    huggingface_hub.constants.HF_HUB_ENABLE_HF_TRANSFER = False  # type: ignore[attr-defined]
    try:
        from circuit_tracer.attribution.attribute import attribute
        from circuit_tracer.replacement_model.replacement_model_transformerlens import TransformerLensReplacementModel
        from circuit_tracer.transcoder.activation_functions import TopK
        from circuit_tracer.transcoder.single_layer_transcoder import load_transcoder_set
    except ImportError as error:
        remedy = "Unpack the wheel circuit-tracer 0.5.0 and put the folder on PYTHONPATH."
        raise UsageError("circuit-tracer is not there", value=str(error), remedy=remedy) from None
    config = config_of(case)
    files = {layer: str(case.folder / f"layer_{layer}.safetensors") for layer in range(config.n_layers)}
    found = load_transcoder_set(files, "random", *HOOKS, lazy_encoder=lazy_encoder)
    for layer in found:
        layer.activation_function = TopK(case.k)  # their loader reads rectified and JumpReLU transcoders only
    model = TransformerLensReplacementModel(config, move_to_device=False)
    model.load_state_dict(convert_gpt2_weights(case.module, config), strict=False)
    model._configure_replacement_model(found)
    model.tokenizer = words(config.d_vocab)
    tokens, targets = case.tokens[0], torch.tensor(case.targets)
    return lambda: attribute(tokens, model, attribution_targets=targets, batch_size=at_once)


def config_of(case: Case) -> HookedTransformerConfig:
    """Return the model's shape as TransformerLens writes it."""
    own = case.module.config
    return HookedTransformerConfig(
        n_layers=own.n_layer,
        d_model=own.n_embd,
        d_head=own.n_embd // own.n_head,
        n_heads=own.n_head,
        d_mlp=4 * own.n_embd,
        n_ctx=own.n_positions,
        d_vocab=own.vocab_size,
        act_fn="gelu_new",
        normalization_type="LN",
        eps=own.layer_norm_epsilon,
        device="cpu",
        dtype=torch.float32,
        model_name="random",
        init_weights=False,
    )


def words(d_vocab: int) -> SimpleNamespace:
    """Return what their code asks of a tokenizer."""
    ids = {"bos_token_id": BOS, "pad_token_id": BOS, "eos_token_id": BOS, "all_special_ids": [BOS]}
    return SimpleNamespace(**ids, decode=str, vocab_size=d_vocab, all_special_tokens=["bos"], padding_side="right")
