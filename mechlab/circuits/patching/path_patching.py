"""Path patching: the other prompt travels along one path of edges alone, and everything off the path stays as it was.

1. The first reader hears what the first source wrote in the other prompt; what its part then writes is noted.
2. The next reader hears that instead, and so on; no other edge carries a change.
3. The last reader's change is followed by all that comes after it; if it is the logits, the path is all there is.

Source: Wang et al. 2022, "Interpretability in the Wild" (path patching); here a path names every part that it goes
through, so that none is taken through other MLPs.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.outcomes import Outcome
from mechlab.circuits.patching.edge_runs import outcomes_outside
from mechlab.circuits.patching.settings import DEFAULT, PatchSettings, runs
from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.edge_changes import Written, by_source, change_edges, written, written_sites
from mechlab.interventions.wiring import LOGITS, Wiring, wiring_of
from mechlab.models.language_model import LanguageModel


@torch.no_grad()
def path_patching(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    path: Sequence[str],
    outcome: Outcome,
    settings: PatchSettings = DEFAULT,
) -> Float[Tensor, "n"]:
    """Return each prompt's score of a path, in the outcome's unit.

    Args:
        model: who is asked.
        batches: the prompts.
        path: a source, then the readers it goes through, such as `head.0.1`, `head.2.3.q`, `logits`.
        outcome: what the path is worth something for.
        settings: direction and rows at once.

    Raises:
        UnknownName: there is no such source or reader.
        UsageError: a reader does not hear the part before it, the path has one end only, or there is no prompt.

    Source: Wang et al. 2022, section 3.1.
    """
    wiring = wiring_of(model)
    edges = path_edges(wiring, path)
    parts = []
    for pairs in runs(batches, settings):
        carried = written(model, wiring, pairs.corrupted)
        for edge in edges[:-1]:
            carried = _carried_on(model, wiring, pairs, carried, edge)
        nothing, last = torch.zeros_like(edges[-1]), edges[-1]
        before, after = outcomes_outside(model, wiring, pairs, carried, torch.stack([nothing, last]), outcome)
        parts.append(settings.sign * (after - before))
    return torch.cat(parts)


def path_edges(wiring: Wiring, path: Sequence[str]) -> list[Tensor]:
    """Return the edges of a path, one mark for each source of each step: heads that share keys carry on together.

    Raises:
        UnknownName: there is no such source or reader.
        UsageError: a reader does not hear the part before it, or the path has one end only.
    """
    if len(path) < 2:
        raise UsageError("path has no edge", value=" -> ".join(path), remedy="Name a source and at least one reader.")
    edges, sources = list[Tensor](), [path[0]]
    for step, name in enumerate(path[1:], start=1):
        marks = torch.zeros_like(wiring.is_edge)
        for source in sources:
            marks[wiring.edge(source, name)] = True
        edges.append(marks)
        if name == LOGITS and step < len(path) - 1:
            raise UsageError("path goes on behind the logits", value=" -> ".join(path))
        reader = next(one for one in wiring.readers if one.name == name)
        sources = [wiring.sources[place] for place in wiring.written_by(reader)]
    return edges


def _carried_on(model: LanguageModel, wiring: Wiring, pairs: PromptPairs, carried: Written, edge: Tensor) -> Written:
    """Return what sources write when this edge alone carries a change; of it the next takes what its reader writes."""
    sites = written_sites(wiring)
    with change_edges(model, wiring, carried, edge[None]), model.read(*sites) as seen:
        model.logits(pairs.clean.to(model.device))
        return by_source(seen, sites)
