"""Scores of parts by any method as one table, and circuits of the best of them at each size.

1. A method scores edges or nodes, or a path is scored.
2. Each gets its mean over prompts with an interval.
3. Edges become circuits of edges, nodes circuits of all their edges; what is scored only in part becomes none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from mechlab.circuits.outcomes import LogitDifference, Outcome, ProbabilityDifference
from mechlab.circuits.patching import METHODS
from mechlab.circuits.patching.edge_scores import EdgeScores, edge_name
from mechlab.circuits.patching.faithfulness import SHARES, sizes_of
from mechlab.circuits.patching.node_scores import NodeScores
from mechlab.circuits.patching.path_patching import path_patching
from mechlab.circuits.patching.selection import best_edges, greedy_edges, node_circuits, random_ranking
from mechlab.circuits.patching.settings import PatchSettings
from mechlab.core.errors import UnknownName, UsageError
from mechlab.core.progress import Progress
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks import PAIR_TASKS
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.wiring import Wiring, wiring_of
from mechlab.metrics.bootstrap import resampled
from mechlab.models.language_model import LanguageModel
from mechlab.verbs.patch_options import PatchOptions

PATH = "path"
SELECT = {"best": best_edges, "greedy": greedy_edges}
OUTCOMES: dict[str, Outcome] = {one.name: one for one in (LogitDifference(), ProbabilityDifference())}
AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Scored:
    """Parts with their scores.

    Attributes:
        names: of the parts.
        values: each prompt's score of each part.
        ranking: of edges, or of the wiring's sources; None where circuits cannot be made of the parts.
        of: `edges` or `nodes`: what circuits are made of.
    """

    names: tuple[str, ...]
    values: Float64[Tensor, "n n_parts"]
    ranking: Tensor | None = None
    of: str = "edges"

    def columns(self) -> dict[str, Tensor | Sequence[str]]:
        """Return the parts with their mean scores and 95 % intervals over prompts."""
        low_high = [_interval(self.values[:, first : first + AT_ONCE]) for first in range(0, len(self.names), AT_ONCE)]
        low, high = torch.cat(low_high, dim=1)
        return {"name": list(self.names), "score": self.values.mean(0), "low": low, "high": high}

    def sizes(self, wiring: Wiring) -> list[int]:
        """Return how many edges or nodes a circuit of each share has."""
        return sizes_of(SHARES, wiring.n_edges if self.of == "edges" else len(wiring.sources) - 1)

    def circuits(
        self, wiring: Wiring, config: PatchOptions, drawn: int | None = None
    ) -> Bool[Tensor, "n_circuits s r"]:
        """Return a circuit of each size: of the best, or of a random ranking by its number."""
        ranking = self.ranking if drawn is None else self._drawn(wiring, config.seed, drawn)
        assert ranking is not None
        ranking = ranking.abs() if config.by == "size" and drawn is None else ranking
        if self.of == "nodes":
            return node_circuits(wiring, ranking, self.sizes(wiring))
        return SELECT[config.select if drawn is None else "best"](wiring, ranking, self.sizes(wiring))

    def _drawn(self, wiring: Wiring, seed: int, drawn: int) -> Tensor:
        if self.of == "edges":
            return random_ranking(wiring, seed + drawn)
        return torch.rand(len(wiring.sources), generator=torch_generator(seed + drawn, "random nodes"))


def check_asked(config: PatchOptions) -> None:
    """Refuse what no method can do, and a task that is not there.

    Raises:
        UnknownName: there is no such task or method.
        UsageError: a path is given to another method, or none to `path`.
    """
    PAIR_TASKS.check(config.task)
    if config.method not in (*METHODS, PATH):
        known = ", ".join((*METHODS, PATH))
        raise UnknownName("unknown patching method", value=config.method, remedy=f"Known: {known}.")
    if (config.method == PATH) != bool(config.path):
        remedy = "Give --method path and --path SOURCE,READER,... together."
        raise UsageError("path and method do not fit", value=config.method, remedy=remedy)


def scored(config: PatchOptions, model: LanguageModel, batches: Sequence[PromptPairs], progress: Progress) -> Scored:
    """Return the parts' scores by the method asked for.

    Raises:
        UsageError: the model's edges cannot be told apart, or a role or part is unknown.
    """
    settings = PatchSettings(direction=config.direction, steps=config.steps, kinds=config.kinds, at=config.at)
    outcome = OUTCOMES[config.outcome]
    if config.method == PATH:
        values = path_patching(model, batches, config.path, outcome, settings)
        return Scored((" -> ".join(config.path),), values.double()[:, None])
    found = METHODS[config.method](model, batches, outcome, settings, progress)
    return _of_edges(found) if isinstance(found, EdgeScores) else _of_nodes(config, model, found)


def _of_edges(found: EdgeScores) -> Scored:
    wiring = found.wiring
    ends = wiring.is_edge.nonzero().tolist()
    names = tuple(edge_name(wiring.sources[source], wiring.readers[reader].name) for source, reader in ends)
    return Scored(names, found.values[:, wiring.is_edge].double(), found.mean)


def _of_nodes(config: PatchOptions, model: LanguageModel, found: NodeScores) -> Scored:
    whole = {"head", "mlp_out"} <= set(config.kinds) and not config.at and not model.spec.post_norms
    ranking = found.by_source(wiring_of(model)) if whole else None
    return Scored(tuple(one.name for one in found.patched), found.values, ranking, of="nodes")


def _interval(values: Float64[Tensor, "n n_parts"]) -> Float64[Tensor, "2 n_parts"]:
    draws = resampled(values)[1:] / len(values)
    return torch.quantile(draws, torch.tensor([0.025, 0.975], dtype=draws.dtype), dim=0)
