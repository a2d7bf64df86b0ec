"""TransformerLens's own generation of the same model, with hooks that add the same vector at the same places."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_llama_weights

from mechlab.models.huggingface import HuggingFaceModel


def hooked(model: HuggingFaceModel) -> HookedTransformer:
    """Return TransformerLens's model with the weights of a Llama, none of them changed."""
    spec, own = model.spec, model.module.config
    config = HookedTransformerConfig(
        original_architecture=type(model.module).__name__,
        n_layers=spec.n_layers,
        d_model=spec.d_model,
        n_ctx=spec.n_ctx,
        d_head=spec.d_head,
        n_heads=spec.n_heads,
        n_key_value_heads=spec.n_kv_heads,
        d_mlp=spec.d_mlp,
        d_vocab=spec.d_vocab,
        act_fn=own.hidden_act,
        eps=own.rms_norm_eps,
        normalization_type="RMS",
        positional_embedding_type="rotary",
        rotary_adjacent_pairs=False,
        rotary_dim=spec.d_head,
        rotary_base=own.rope_parameters["rope_theta"],
        gated_mlp=True,
        final_rms=True,
        init_weights=False,
        device="cpu",
        default_prepend_bos=False,
    )
    made = HookedTransformer(config, None, move_to_device=False)
    weights = {name: value.detach().clone() for name, value in convert_llama_weights(model.module, config).items()}
    made.load_state_dict(weights, strict=False)
    return made.eval().requires_grad_(False)


def generation(model: HookedTransformer, vector: Tensor, layers: list[int], n_new: int) -> Callable[[Tensor], Any]:
    """Return what continues prompts, with its cache of keys and values, the vector added behind these layers."""

    def add(value: Tensor, hook: Any) -> Tensor:
        return value + vector

    def continued(prompts: Tensor) -> Any:
        with model.hooks(fwd_hooks=[(f"blocks.{layer}.hook_resid_post", add) for layer in layers]):
            return model.generate(
                prompts, n_new, do_sample=False, stop_at_eos=False, verbose=False, return_type="tokens"
            )

    return continued
