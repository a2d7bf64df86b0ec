"""Slopes: how an outcome changes with what each reader reads, from one pass forward and one backward.

1. Autograd gives the gradient at queries, keys, values and behind the norms of MLPs and logits.
2. Each head's gradient goes back through its own matrix and the norm's gain.
3. Each reader's goes back through its own norm: `(g - mean(g) - y mean(g y)) / scale`, without means under RMS.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.outcomes import Outcome
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.wiring import Wiring
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import MODES, Mode
from mechlab.models.weights import LayerWeights, Weights

Slopes = Float[Tensor, "n pos n_readers d_model"]


def slopes(
    model: LanguageModel,
    wiring: Wiring,
    pairs: PromptPairs,
    outcome: Outcome,
    start: Float[Tensor, "n pos d_model"] | None = None,
) -> Slopes:
    """Return the gradient of each prompt's outcome at what each reader reads, in front of its norm.

    Args:
        model: who reads the clean prompts; open edits apply.
        wiring: its sources and readers.
        pairs: the prompts.
        outcome: what is differentiated.
        start: what the stream begins with instead of the prompts' own embeddings.
    """
    sites = _differentiated(wiring)
    gradients, seen = gradients_at(model, pairs, outcome, sites, also=_norms(wiring), start=start)
    weights, n_layers = model.weights(), wiring.spec.n_layers
    parts = [part for layer in range(n_layers) for part in _of_layer(wiring, weights, layer, gradients, seen)]
    final = through_norm(gradients["ln_final_normalized"], seen["ln_final_normalized"], seen["ln_final_scale"], wiring)
    return torch.cat([*parts, final[:, :, None]], dim=2)


def gradients_at(
    model: LanguageModel,
    pairs: PromptPairs,
    outcome: Outcome,
    sites: list[str],
    *,
    also: list[str] | None = None,
    start: Tensor | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the gradient of each prompt's outcome at these sites, and what the sites and others hold.

    Args:
        model: who reads the clean prompts.
        pairs: the prompts.
        outcome: what is differentiated.
        sites: where.
        also: further sites to be read.
        start: what the stream begins with instead of the prompts' own embeddings.
    """
    wanted = dict.fromkeys([*sites, *(also or ()), *outcome.sites])
    with torch.enable_grad(), model.edit({"resid_pre.0": _beginning(start)}), model.read(*wanted) as seen:
        logits = model.logits(pairs.clean.to(model.device))[:, -1]
        reached = outcome.of(logits, seen, pairs).sum()
        found = torch.autograd.grad(reached, [seen[site] for site in sites])
    return dict(zip(sites, found, strict=True)), {site: value.detach() for site, value in seen.items()}


def through_norm(
    gradient: Float[Tensor, "... d_model"],
    normalized: Float[Tensor, "... d_model"],
    scale: Float[Tensor, "... 1"],
    wiring: Wiring,
) -> Float[Tensor, "... d_model"]:
    """Return the gradient at what a norm reads from that at what it gives, before its gain."""
    along = (gradient * normalized).mean(-1, keepdim=True)
    level = gradient.mean(-1, keepdim=True) if wiring.spec.normalization == "LN" else 0.0
    return (gradient - level - normalized * along) / scale


def _beginning(start: Tensor | None) -> Callable[[Tensor], Tensor]:
    return lambda own: (own if start is None else start.to(own)).detach().requires_grad_()


def _differentiated(wiring: Wiring) -> list[str]:
    kinds = [*MODES, *["ln2_normalized"] * (wiring.spec.d_mlp > 0)]
    return [*(f"{kind}.{layer}" for layer in range(wiring.spec.n_layers) for kind in kinds), "ln_final_normalized"]


def _norms(wiring: Wiring) -> list[str]:
    kinds = ["ln1_scale", "ln1_normalized", *["ln2_scale"] * (wiring.spec.d_mlp > 0)]
    return [*(f"{kind}.{layer}" for layer in range(wiring.spec.n_layers) for kind in kinds), "ln_final_scale"]


def _of_layer(
    wiring: Wiring, weights: Weights, layer: int, gradients: Mapping[str, Tensor], seen: Mapping[str, Tensor]
) -> list[Slopes]:
    own, parts = weights.layers[layer], list[Tensor]()
    normalized, scale = seen[f"ln1_normalized.{layer}"][:, :, None], seen[f"ln1_scale.{layer}"][:, :, None]
    for mode in MODES:
        gradient = gradients[f"{mode}.{layer}"]
        matrices = _matrices(own, mode)[:: wiring.spec.n_heads // gradient.shape[2]]
        behind = torch.einsum("nprh,rmh->nprm", gradient, matrices) * own.ln1_w
        parts.append(through_norm(behind, normalized, scale, wiring))
    if wiring.spec.d_mlp > 0:
        behind, normalized = gradients[f"ln2_normalized.{layer}"], seen[f"ln2_normalized.{layer}"]
        parts.append(through_norm(behind, normalized, seen[f"ln2_scale.{layer}"], wiring)[:, :, None])
    return parts


def _matrices(weights: LayerWeights, mode: Mode) -> Float[Tensor, "n_heads d_model d_head"]:
    return {"q": weights.W_Q, "k": weights.W_K, "v": weights.W_V}[mode]
