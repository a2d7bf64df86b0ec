"""Direct logit attribution: what each part adds to the logit difference by itself, through the last norm.

1. The last norm's divisor is held at what it was; then the logit difference is a sum over what parts wrote.
2. Each part counts by what it wrote at the last position, along the right answers' unembedding less the wrong ones'.
3. Biases are a part of their own, so that the parts sum to the logit difference.

Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits" (the direct path); nostalgebraist 2020,
"interpreting GPT: the logit lens".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from mechlab.circuits.effects import passes
from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.settings import DEFAULT
from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.edge_changes import by_source, written_sites
from mechlab.interventions.wiring import Wiring, wiring_of
from mechlab.models.language_model import LanguageModel
from mechlab.models.weights import Weights

BIAS = "bias"


@dataclass(frozen=True, eq=False)
class LogitAttribution:
    """What parts add to each prompt's logit difference.

    Attributes:
        parts: `input`, heads and MLPs in the order of the forward pass, and `bias`.
        values: in nats; they sum to `total`.
        total: each prompt's logit difference.
    """

    parts: tuple[str, ...]
    values: Float64[Tensor, "n n_parts"]
    total: Float64[Tensor, "n"]


@torch.no_grad()
def logit_attribution(
    model: LanguageModel, batches: Sequence[PromptPairs], *, rows_at_once: int = DEFAULT.rows_at_once
) -> LogitAttribution:
    """Return what each part adds to the logit difference of each clean prompt, in nats.

    Args:
        model: who is asked.
        batches: the prompts.
        rows_at_once: how many in a pass.

    Raises:
        UsageError: there is no prompt, or the model's parts cannot be told apart.

    Source: Elhage et al. 2021, with the last norm's divisor held still.
    """
    if not sum(map(len, batches)):
        raise UsageError("no prompts to attribute", value=len(batches), remedy="Pass the batches a task gave.")
    wiring, weights, found = wiring_of(model), model.weights(), list[tuple[Tensor, Tensor]]()
    for pairs in passes(batches, rows_at_once):
        found.append(_of_batch(model, wiring, weights, pairs))
    values, total = (torch.cat(parts) for parts in zip(*found, strict=True))
    return LogitAttribution((*wiring.sources, BIAS), values, total)


def _of_batch(model: LanguageModel, wiring: Wiring, weights: Weights, pairs: PromptPairs) -> tuple[Tensor, Tensor]:
    sites = written_sites(wiring)
    with model.read(*sites, "ln_final_scale") as seen:
        logits = model.logits(pairs.clean.to(model.device))[:, -1]
        wrote, scale = by_source(seen, sites)[:, -1].double(), seen["ln_final_scale"][:, -1].double()
    weighted = answer_weights(pairs, weights.W_U.shape[1]).to(logits.device)
    read = weighted @ weights.W_U.T.double()
    along = read * weights.ln_final_w.double()
    if wiring.spec.normalization == "LN":
        along = along - along.mean(-1, keepdim=True)
    along = along / scale
    of_sources = torch.einsum("nsd,nd->ns", wrote, along)
    biases = sum((layer.b_O for layer in weights.layers), torch.zeros_like(weights.layers[0].b_O)).double()
    of_bias = along @ biases + read @ weights.ln_final_b.double() + weighted @ weights.b_U.double()
    total = LogitDifference().of(logits, {}, pairs).double()
    return torch.cat([of_sources, of_bias[:, None]], dim=1).cpu(), total.cpu()


def answer_weights(pairs: PromptPairs, d_vocab: int) -> Float[Tensor, "n d_vocab"]:
    """Return how much each logit counts in each prompt's logit difference."""
    right, wrong = (flags.double() / flags.sum(1, keepdim=True) for flags in (pairs.is_right, ~pairs.is_right))
    return torch.zeros(len(pairs), d_vocab, dtype=torch.float64).scatter_add_(1, pairs.candidates, right - wrong)
