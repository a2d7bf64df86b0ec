"""Edge attribution patching: all edges' scores at once, to first order, from gradients at what readers read.

1. What each source writes is read in both prompts.
2. `eap`: the gradient at each reader is that of the run; a score is the source's difference along it.
3. `eap-ig`: the gradient is averaged over passes whose embeddings lie between both prompts', so that an outcome that is
   flat at the run's own end does not hide an edge.
4. Source differences times gradients, summed over positions, are one product of matrices for each prompt.

Source: Syed, Rager & Conmy 2023 (EAP); Hanna, Pezzelle & Belinkov 2024 (EAP-IG, inputs). We take
gradients in the middle of each step, not at its end.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.outcomes import Outcome
from mechlab.circuits.patching.edge_scores import EdgeScores
from mechlab.circuits.patching.settings import DEFAULT, PatchSettings, runs
from mechlab.circuits.patching.slopes import Slopes, slopes
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.edge_changes import Written, written
from mechlab.interventions.wiring import Wiring, wiring_of
from mechlab.models.language_model import LanguageModel


def eap(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    outcome: Outcome,
    settings: PatchSettings = DEFAULT,
    progress: Progress = SILENT,
) -> EdgeScores:
    """Return the first-order scores of all edges, in the outcome's unit, by the gradient of the run alone.

    Args:
        model: who is asked.
        batches: the prompts.
        outcome: what edges are worth something for.
        settings: direction and rows at once.
        progress: where to report.

    Raises:
        UsageError: there is no prompt, or the model's edges cannot be told apart.

    Source: Syed, Rager & Conmy 2023, "Attribution Patching Outperforms Automated Circuit Discovery".
    """
    return _scores(model, batches, outcome, settings, progress, n_steps=0)


def eap_ig(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    outcome: Outcome,
    settings: PatchSettings = DEFAULT,
    progress: Progress = SILENT,
) -> EdgeScores:
    """Return the scores of all edges, in the outcome's unit, by gradients averaged between both prompts' embeddings.

    Args:
        model: who is asked.
        batches: the prompts.
        outcome: what edges are worth something for.
        settings: direction, steps and rows at once.
        progress: where to report.

    Raises:
        UsageError: there is no prompt, or the model's edges cannot be told apart.

    Source: Hanna, Pezzelle & Belinkov 2024, "Have Faith in Faithfulness" (EAP-IG).
    """
    return _scores(model, batches, outcome, settings, progress, n_steps=settings.steps)


def _scores(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    outcome: Outcome,
    settings: PatchSettings,
    progress: Progress,
    n_steps: int,
) -> EdgeScores:
    wiring, parts = wiring_of(model), list[Tensor]()
    with progress.task("attributing edges", sum(map(len, batches)), "prompts") as task:
        for pairs in runs(batches, settings):
            here, other = (written(model, wiring, tokens) for tokens in (pairs.clean, pairs.corrupted))
            steepness = _steepness(model, wiring, pairs, outcome, (here, other, n_steps))
            parts.append(_products(settings.sign * (other - here), steepness).cpu())
            task.advance(len(pairs))
    values = torch.cat(parts) * wiring.is_edge
    return EdgeScores(wiring, values, "eap-ig" if n_steps else "eap")


def _steepness(
    model: LanguageModel, wiring: Wiring, pairs: PromptPairs, outcome: Outcome, path: tuple[Written, Written, int]
) -> Slopes:
    """Return the gradient at the run, or its mean over so many steps on the way to the other prompt."""
    here, other, n_steps = path
    if not n_steps:
        return slopes(model, wiring, pairs, outcome)
    begin, way = here[:, :, 0], other[:, :, 0] - here[:, :, 0]
    total = None
    for step in range(n_steps):
        found = slopes(model, wiring, pairs, outcome, start=begin + (step + 0.5) / n_steps * way)
        total = found if total is None else total.add_(found)
    assert total is not None
    return total / n_steps


def _products(differences: Written, steepness: Slopes) -> Float[Tensor, "n n_sources n_readers"]:
    by_source, by_reader = (one.transpose(1, 2).flatten(2) for one in (differences, steepness))
    return by_source @ by_reader.mT
