"""What directions of the residual stream do to the logits by themselves, before the last norm divides them."""

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.models.language_model import LanguageModel


@torch.no_grad()
def logit_lens(model: LanguageModel, directions: Float[Tensor, "n d_model"]) -> Float[Tensor, "n d_vocab"]:
    """Return each direction, centred where the last norm centres, times its gain and the unembedding.

    Biases, the norm's divisor and a soft cap are left out: none changes which tokens a direction promotes most.

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens", applied to a direction instead of a state.
    """
    weights = model.weights()
    own = directions.to(weights.W_U)
    if model.spec.normalization == "LN":
        own = own - own.mean(-1, keepdim=True)
    return (own * weights.ln_final_w) @ weights.W_U
