"""An observable of a prompt, part by part: what each head adds to it straight, by where it reads, and all else.

1. The last norm's divisor is held at what it is; then the observable is a sum over what parts wrote.
2. A head's part is split over the tokens it reads: their values, times how much it looks at them.
3. Biases of outputs, of the last norm and of the unembedding are a part of their own, so that the parts sum to the
   observable.

Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits" (the direct path); Observable
Propagation (arXiv 2312.16291), attribution by a direction times the pattern. `logit_attribution` gives heads whole, for
prompt pairs and their answers.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from mechlab.circuits.observables.observable import Observable, values_at
from mechlab.circuits.observables.parts import Parts, parts_of
from mechlab.circuits.observables.value_paths import handed_on, values_of
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel


@dataclass(frozen=True, eq=False)
class PromptParts:
    """What adds to an observable of prompts, in nats.

    Attributes:
        heads: what each head brings from each token it reads.
        mlps: what each MLP writes; no columns without MLPs.
        start: embeddings.
        bias: whatever the prompt is.
        total: the observable itself, before a soft cap on logits; the parts sum to it.
    """

    heads: Float64[Tensor, "n n_layers n_heads pos"]
    mlps: Float64[Tensor, "n n_mlps"]
    start: Float64[Tensor, "n"]
    bias: Float64[Tensor, "n"]
    total: Float64[Tensor, "n"]


@torch.no_grad()
def prompt_parts(
    model: LanguageModel, tokens: Int[Tensor, "n pos"], observable: Observable, *, position: int = -1
) -> PromptParts:
    """Return what each part adds to the observable of each prompt, at one position.

    Args:
        model: the model.
        tokens: prompts of one length.
        observable: what parts add to.
        position: where its logits are, counted from the end if negative.

    Raises:
        UsageError: there is no such position, the model is not Hugging Face's, or its parts write through norms.

    Source: Elhage et al. 2021, with the last norm's divisor held still.
    """
    n_pos = tokens.shape[1]
    if not -n_pos <= position < n_pos:
        raise UsageError("no such position", value=position, remedy=f"Positions are 0..{n_pos - 1}.")
    parts, at = parts_of(model), position % n_pos
    spec, weights = parts.spec, parts.weights
    mlps = [f"mlp_out.{layer}" for layer in range(spec.n_layers) if spec.d_mlp]
    of_heads = [f"{kind}.{layer}" for layer in range(spec.n_layers) for kind in ("v", "pattern")]
    end = f"resid_post.{spec.n_layers - 1}"
    seen = model.activations(tokens, ["resid_pre.0", *of_heads, *mlps, end, "unembed_in"])
    read = observable.direction(weights).double()
    along = parts.norm("ln_final").pulled(read.expand(len(tokens), -1), seen[end][:, at].double(), "frozen")
    heads = [
        handed_on(own, along, values_of(seen[f"v.{layer}"], spec.n_heads), seen[f"pattern.{layer}"][:, :, at])
        for layer, own in enumerate(weights.layers)
    ]
    written = [(seen[name][:, at].double() * along).sum(-1) for name in mlps]
    return PromptParts(
        heads=torch.stack(heads, 1).cpu(),
        mlps=torch.stack(written, 1).cpu() if written else torch.zeros(len(tokens), 0, dtype=torch.float64),
        start=(seen["resid_pre.0"][:, at].double() * along).sum(-1).cpu(),
        bias=_bias(parts, observable, read, along).cpu(),
        total=values_at(weights, observable, seen["unembed_in"][:, at]).cpu(),
    )


def _bias(
    parts: Parts, observable: Observable, read: Float64[Tensor, "d_model"], along: Float64[Tensor, "n d_model"]
) -> Float64[Tensor, "n"]:
    weights = parts.weights
    written = torch.stack([layer.b_O.double() for layer in weights.layers]).sum(0)
    return along @ written + read @ weights.ln_final_b.double() + observable.bias(weights)
