"""The direct effect of a direction on the next-token logits: through the final norm's gain and the unembedding."""

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.shapes import Tokens
from mechlab.models.language_model import LanguageModel
from mechlab.models.logit_lens import logit_lens


@torch.no_grad()
def logit_effects(
    model: LanguageModel, directions: Float[Tensor, "n d_model"], sample: Tokens
) -> Float[Tensor, "n d_vocab"]:
    """Return each direction's direct effect on every logit, in nats, less its average over the vocabulary.

    The direction is centred where the final norm centres, multiplied by the norm's gain and the unembedding, and
    divided by what the norm divides by, averaged over the sample. Later layers' answers to the direction are left out,
    and so is a final soft cap.

    Args:
        model: the model whose unembedding is used.
        directions: what is added to the residual stream.
        sample: tokens on which the final norm's divisor is measured.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens", applied to a direction instead of a state.
    """
    return effects_at(model, directions, divisor(model, sample))


@torch.no_grad()
def effects_at(
    model: LanguageModel, directions: Float[Tensor, "n d_model"], divided_by: float
) -> Float[Tensor, "n d_vocab"]:
    """Return what `logit_effects` returns, where the final norm's divisor is known already."""
    effects = logit_lens(model, directions) / divided_by
    return effects - effects.mean(-1, keepdim=True)


def divisor(model: LanguageModel, sample: Tokens) -> float:
    """Return the harmonic mean of what the final norm divides by."""
    if model.spec.normalization == "none":
        return 1.0
    (scale,) = model.activations(sample, ["ln_final_scale"]).values()
    return 1 / scale.reciprocal().mean().item()
