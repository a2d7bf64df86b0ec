"""What taking features away does to one prompt's logit difference: as its graph predicts, and as it is measured.

1. The graph of all features predicts: what a feature brings on all paths is what is lost without it.
2. Measured is the change of the logit difference when what the feature writes is taken off at its position:
   `linear`: attention, norms, errors and which features are on are held; all that is left is linear;
   `replacement`: features are encoded anew; attention, norms and errors are held;
   `attention free`: only errors are held; attention and norms are what follows;
   `model`: the model itself, its own MLPs.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

import mechlab
from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.path_sums import path_sums
from mechlab.circuits.attribution.regimes import Push, Trial, feature_push, holding
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.hold import push
from mechlab.interventions.stand_in import stand_in
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel

OUTCOME = mechlab.LogitDifference()
REGIMES = ("linear", "replacement", "attention free", "model")


@dataclass(frozen=True, eq=False)
class Changed:
    """What is told beforehand of some features of one prompt, and what taking them away did, in nats.

    Attributes:
        told: by predictor: over all paths (`total`), along the direct edge alone (`direct`), and what needs no graph:
            the code, the norm of the decoder's row, and their product.
        measured: by regime.
    """

    told: Mapping[str, Tensor]
    measured: Mapping[str, Tensor]


def graph_of(model: LanguageModel, transcoders: TranscoderSet, one: PromptPairs) -> AttributionGraph:
    """Return the graph of a prompt's logit difference, all features traced."""
    frozen = mechlab.frozen_pass(model, transcoders, one.clean)
    right, direction = one.is_right[0], torch.zeros(1, model.spec.d_vocab)
    direction[0, one.candidates[0]] = torch.where(right, 1 / right.sum(), -1 / (~right).sum())
    return mechlab.attribution_graph(frozen, mechlab.direction_targets(frozen, direction))


def foremost_and_drawn(graph: AttributionGraph, n: int, draw: torch.Generator) -> dict[str, Tensor]:
    """Return the columns of the features with the largest influence, and of as many drawn among all others."""
    order = graph.influence.columns[: len(graph.sources.code)].argsort(descending=True, stable=True)
    others = order[n:][torch.randperm(len(order) - n, generator=draw)[:n]]
    return {"foremost": order[:n], "drawn": others}


@torch.no_grad()
def changed(
    model: LanguageModel, graph: AttributionGraph, one: PromptPairs, columns: Tensor, part: float = 1.0
) -> Changed:
    """Return what taking away this part of features does, each by itself."""
    share = torch.full((len(columns),), -part)
    sources, trial = graph.sources, Trial(model, graph.frozen, graph.sources)
    pushed = feature_push(sources, columns, share)
    written = sum(vectors.norm(dim=-1) for vectors in pushed.vectors.values()) / part
    told = {
        "total": path_sums(graph).effects[0, columns] * share,
        "direct": graph.of_targets.effects[0, columns] * share,
        "written": written,
        "code": sources.code[columns],
        "decoder norm": written / sources.code[columns],
    }
    return Changed(
        {name: value.double() for name, value in told.items()},
        {regime: _measured(trial, one, pushed, regime) for regime in REGIMES},
    )


def _measured(trial: Trial, one: PromptPairs, pushed: Push, regime: str) -> Tensor:
    rows = pushed.rows(slice(None))
    copies = one.select(torch.zeros(len(rows.positions), dtype=torch.long))
    with _regime(trial, regime, len(copies)), push(trial.model, rows.positions, rows.vectors):
        values = OUTCOME.of(trial.model.logits(copies.clean)[:, -1], {}, copies).double()
    return values[:-1] - values[-1]


@contextmanager
def _regime(trial: Trial, regime: str, n_rows: int) -> Iterator[None]:
    """Open a context in which a regime holds; one that is opened in another takes the place of its codes."""
    if regime in ("replacement", "model"):
        with holding(trial, regime, n_rows):
            yield
        return
    model, transcoders = trial.model, trial.frozen.transcoders
    untouched = torch.zeros(n_rows, trial.frozen.n_pos, dtype=torch.bool)
    untouched[:, 0] = trial.frozen.has_bos
    standing = {"errors": trial.sources.errors[:, None], "untouched": untouched}
    if regime == "attention free":
        with stand_in(model, transcoders, **standing):
            yield
        return
    layers = range(transcoders.n_layers)
    readers = [transcoders.readers(layer, torch.arange(transcoders.n_features(layer))) for layer in layers]
    with holding(trial, "replacement", n_rows), model.read(*map(transcoders.site, layers)) as read:

        def as_if_still_on(layer: int, codes: Tensor) -> Tensor:
            rows, bias = readers[layer]
            return torch.where(_is_on(trial, layer), read[transcoders.site(layer)] @ rows.T + bias, 0).to(codes)

        with stand_in(model, transcoders, change=as_if_still_on, **standing):
            yield


def _is_on(trial: Trial, layer: int) -> Tensor:
    sources = trial.sources
    found = torch.zeros(trial.frozen.n_pos, trial.frozen.transcoders.n_features(layer), dtype=torch.bool)
    own = sources.layer == layer
    found[sources.position[own], sources.feature[own]] = True
    return found
