"""What edits of features do, against what their attribution graph predicts.

1. The features of the largest influence are scaled, clamped or taken away, each by itself: a row of a batch for each.
2. The graph predicts the direct effect, and the effect through all traced features as if none switched on or off.
3. Measured is the change of every target with all held still (direct), with attention, norms and errors held and
   features encoded anew (replacement), and with nothing held (model).
4. Controls: other features that are on at the same layer and position, drawn at random, and random directions of the
   length of what the features write.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.regimes import REGIMES, Effects, Push, Regime, Trial, effects_of, feature_push
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.sources import Sources
from mechlab.circuits.attribution.targets import Targets
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.models.language_model import LanguageModel

Group = Literal["features", "random features", "random directions"]


class EditSettings(Config):
    """Which features are edited, and how."""

    n: PositiveInt = Field(default=32, description="How many features; fewer if fewer were traced.")
    factor: float = Field(default=0.0, description="What codes are multiplied by; 0 takes the features away.")
    constant: float = Field(default=0.0, description="What is added to them; with factor 0 codes are clamped to it.")
    n_directions: PositiveInt = Field(default=5, description="Random directions in the place of each feature.")
    seed: NonNegativeInt = Field(default=0, description="Seed of the controls.")
    rows_at_once: PositiveInt = Field(default=32, description="Edits in one pass.")


DEFAULT = EditSettings()


@dataclass(frozen=True, eq=False)
class Edited:
    """What edits of some features were predicted to do to each target, and what was measured.

    Attributes:
        columns: of the features; those whose places random directions take, several in turn.
        direct: predicted of the features, along their edges to the targets alone.
        total: predicted of the features, through all traced features.
        measured: by regime.
    """

    columns: Int[Tensor, "n"]
    direct: Effects
    total: Effects
    measured: Mapping[Regime, Effects]

    def predicted(self, regime: Regime) -> Effects:
        """Return the prediction for a regime: the direct effect where all is held still, else the total."""
        return self.direct if regime == "direct" else self.total

    @property
    def largest_miss(self) -> float:
        """Return how far the direct effects measured are from the edges, as a part of the largest edge."""
        return float((self.measured["direct"] - self.direct).abs().max() / self.direct.abs().max())


@torch.no_grad()
def measured_edits(
    model: LanguageModel, graph: AttributionGraph, settings: EditSettings = DEFAULT, targets: Targets | None = None
) -> dict[Group, Edited]:
    """Return what edits of the graph's foremost features, and of two controls, do to the targets.

    Args:
        model: whose pass the graph is of.
        graph: the graph.
        settings: which features are edited, and how.
        targets: what is measured; None is what the graph was asked about.

    Raises:
        UsageError: no feature was traced.

    Source: Ameisen et al. 2025, "Circuit Tracing" (validation of graphs by interventions); the controls are ours.
    """
    reached = graph.influence.columns[graph.visited]
    chosen = graph.visited[reached.argsort(descending=True, stable=True)[: settings.n]]
    if not len(chosen):
        raise UsageError("no feature to edit", value=0, remedy="Trace at least one.")
    beside = _drawn_beside(graph.sources, chosen, settings.seed)
    groups: dict[Group, Tensor] = {"features": chosen, "random features": beside}
    groups["random directions"] = chosen.repeat(settings.n_directions)
    own = graph.targets if targets is None else targets
    to_targets = attributed(graph.frozen, graph.sources, own).effects[:, : len(graph.sources.code)]
    trial, found = Trial(model, graph.frozen, graph.sources), dict[Group, Edited]()
    for group, columns in groups.items():
        share = settings.factor - 1 + settings.constant / graph.sources.code[columns]
        pushed = feature_push(graph.sources, columns, share)
        pushed = _turned(pushed, settings.seed) if group == "random directions" else pushed
        found[group] = Edited(
            columns=columns,
            direct=to_targets[:, columns].T * share[:, None],
            total=_spread(graph, columns, share) @ to_targets.T,
            measured={one: effects_of(trial, pushed, own, one, settings.rows_at_once) for one in REGIMES},
        )
    return found


def _spread(
    graph: AttributionGraph, columns: Int[Tensor, "n"], share: Float[Tensor, "n"]
) -> Float[Tensor, "n n_features"]:
    """Return by what share of itself every feature changes, if each of these does and none switches on or off."""
    sources, layers = graph.sources, graph.sources.layer[graph.visited]
    shares = share.new_zeros(len(columns), len(sources.code))
    shares[torch.arange(len(columns)), columns] = share
    for layer in layers.unique().tolist():
        own = layers == layer
        traced = graph.visited[own]
        moved = shares @ graph.of_features.effects[own][:, : len(sources.code)].T / sources.code[traced]
        shares[:, traced] = torch.where(columns[:, None] == traced, shares[:, traced], moved)
    return shares


def _drawn_beside(sources: Sources, chosen: Int[Tensor, "n"], seed: int) -> Int[Tensor, "n_others"]:
    """Return for each feature another that is on at its layer and position, none twice; none where there is none."""
    generator = torch_generator(seed, "features beside those chosen")
    taken, drawn = set(chosen.tolist()), list[int]()
    for column in chosen.tolist():
        beside = (sources.layer == sources.layer[column]) & (sources.position == sources.position[column])
        left = [one for one in beside.nonzero().squeeze(1).tolist() if one not in taken]
        if left:
            drawn.append(left[int(torch.randint(len(left), (1,), generator=generator))])
            taken.add(drawn[-1])
    return torch.tensor(drawn, dtype=torch.long, device=chosen.device)


def _turned(pushed: Push, seed: int) -> Push:
    """Return pushes of the same length in random directions."""
    generator, vectors = torch_generator(seed, "directions instead of features"), dict[int, Tensor]()
    for layer, own in pushed.vectors.items():
        drawn = torch.randn(own.shape, generator=generator, dtype=torch.float64).to(own)
        vectors[layer] = drawn / drawn.norm(dim=-1, keepdim=True) * own.norm(dim=-1, keepdim=True)
    return Push(pushed.positions, vectors)
