"""Exact edge patching: one edge at a time carries the other prompt, and all that comes after follows.

1. Nothing in front of an edge's reader changes, so its source writes what it writes in the run.
2. The reader alone sees what the source wrote in the other prompt; its norm divides by what it then would.
3. Edges of one source into one layer are patched in one pass, one after another along the batch.

Source: the edge effects that ACDC (Conmy et al. 2023) thresholds and EAP (Syed, Rager & Conmy 2023) approximates.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from mechlab.circuits.outcomes import Outcome
from mechlab.circuits.patching.edge_runs import outcomes_outside
from mechlab.circuits.patching.edge_scores import EdgeScores
from mechlab.circuits.patching.settings import DEFAULT, PatchSettings, runs
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.edge_changes import written
from mechlab.interventions.wiring import Wiring, wiring_of
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import MODES

Place = tuple[int, int]


@torch.no_grad()
def edge_patching(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    outcome: Outcome,
    settings: PatchSettings = DEFAULT,
    progress: Progress = SILENT,
) -> EdgeScores:
    """Return the exact score of every edge, in the outcome's unit: as many runs of the prompts as there are edges.

    Args:
        model: who is asked.
        batches: the prompts.
        outcome: what edges are worth something for.
        settings: direction and rows at once.
        progress: where to report.

    Raises:
        UsageError: there is no prompt, or the model's edges cannot be told apart.

    Source: Conmy et al. 2023 (ACDC); here every edge is patched alone.
    """
    wiring, parts = wiring_of(model), list[Tensor]()
    with progress.task("patching edges", wiring.n_edges * sum(map(len, batches)), "edges") as task:
        for pairs in runs(batches, settings):
            parts.append(torch.zeros(len(pairs), *wiring.is_edge.shape))
            others = written(model, wiring, pairs.corrupted)
            nothing = torch.zeros(1, *wiring.is_edge.shape, dtype=torch.bool)
            before = outcomes_outside(model, wiring, pairs, others, nothing, outcome)
            for edges in edges_together(wiring, max(1, settings.rows_at_once // len(pairs))):
                after = outcomes_outside(model, wiring, pairs, others, alone(wiring, edges), outcome)
                for edge, change in zip(edges, after - before, strict=True):
                    parts[-1][:, edge[0], edge[1]] = settings.sign * change.float()
                task.advance(len(edges) * len(pairs))
    return EdgeScores(wiring, torch.cat(parts), "edges")


def edges_together(wiring: Wiring, n_at_once: int) -> Iterator[list[Place]]:
    """Yield all edges, those of one source into the heads, the MLP or the logits of one layer together."""
    for source in range(len(wiring.sources)):
        ends: dict[tuple[int, bool], list[Place]] = {}
        for place, reader in enumerate(wiring.readers):
            if source < wiring.n_heard[place]:
                ends.setdefault((reader.layer, reader.reading in MODES), []).append((source, place))
        for edges in ends.values():
            yield from (edges[first : first + n_at_once] for first in range(0, len(edges), n_at_once))


def alone(wiring: Wiring, edges: Sequence[Place]) -> Bool[Tensor, "n_edges n_sources n_readers"]:
    """Return a circuit for each edge, outside of which is this edge alone."""
    outside = torch.zeros(len(edges), *wiring.is_edge.shape, dtype=torch.bool)
    for number, edge in enumerate(edges):
        outside[number][edge] = True
    return outside
