"""Outcomes of prompts while edges outside of circuits carry what their sources wrote elsewhere."""

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.circuits.outcomes import Outcome
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.edge_changes import Outside, Written, change_edges
from mechlab.interventions.wiring import Wiring
from mechlab.models.language_model import LanguageModel


@torch.no_grad()
def outcomes_outside(
    model: LanguageModel, wiring: Wiring, pairs: PromptPairs, others: Written, outside: Outside, outcome: Outcome
) -> Float64[Tensor, "n_circuits n"]:
    """Return each prompt's outcome in every circuit: the clean prompt is run, edges outside carry `others`."""
    n_circuits = len(outside)
    copies = pairs.select(torch.arange(len(pairs)).repeat(n_circuits))
    with change_edges(model, wiring, others, outside), model.read(*outcome.sites) as read:
        logits = model.logits(copies.clean.to(model.device))[:, -1]
    return outcome.of(logits, read, copies).double().cpu().unflatten(0, (n_circuits, -1))
