"""What taking features away does to one prompt's logit difference: as its graph predicts, and as it is measured.

1. The graph of all features predicts: what a feature brings on all paths is what is lost without it.
2. Measured is the change of the logit difference when what the feature writes is taken off at its position:
   `linear`: attention, norms, errors and which features are on are held; all that is left is linear;
   `replacement`: features are encoded anew; attention, norms and errors are held;
   `replacement, attention free`: only errors are held; attention and norms are what follows;
   `model, attention held`: the model's own MLPs, with attention and norms held;
   `model`: the model itself.
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
from mechlab.interventions.hold import hold, push
from mechlab.interventions.stand_in import stand_in
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel

OUTCOME = mechlab.LogitDifference()
REGIMES = ("linear", "replacement", "replacement, attention free", "model, attention held", "model")


@dataclass(frozen=True, eq=False)
class Changed:
    """What is told beforehand of some features of one prompt, and what taking them away did, in nats.

    Attributes:
        told: by predictor: over all paths (`total`), along the direct edge alone (`direct`), and what needs no graph:
            the code, in units of a unit direction, and the norm of the decoder's row.
        measured: by regime.
        switched: how many other features switch on or off in the replacement regime.
    """

    told: Mapping[str, Tensor]
    measured: Mapping[str, Tensor]
    switched: Tensor


def graph_of(model: LanguageModel, transcoders: TranscoderSet, one: PromptPairs) -> AttributionGraph:
    """Return the graph of a prompt's logit difference, all features traced."""
    frozen = mechlab.frozen_pass(model, transcoders, one.clean)
    right, direction = one.is_right[0], torch.zeros(1, model.spec.d_vocab)
    direction[0, one.candidates[0]] = torch.where(right, 1 / right.sum(), -1 / (~right).sum())
    return mechlab.attribution_graph(frozen, mechlab.direction_targets(frozen, direction))


def foremost_and_drawn(graph: AttributionGraph, n: int, draw: torch.Generator) -> dict[str, Tensor]:
    """Return the columns of the features with the largest influence, and of as many drawn among all others.

    Those of the last layer elsewhere than at the last token are left out: nothing leads from them to the answer.
    """
    sources, n_layers, n_pos = graph.sources, graph.frozen.spec.n_layers, graph.frozen.n_pos
    leads = (sources.layer < n_layers - 1) | (sources.position == n_pos - 1)
    order = graph.influence.columns[: len(sources.code)].argsort(descending=True, stable=True)
    order = order[leads[order]]
    return {"foremost": order[:n], "drawn": order[n:][torch.randperm(len(order) - n, generator=draw)[:n]]}


@torch.no_grad()
def changed(
    model: LanguageModel, graph: AttributionGraph, one: PromptPairs, columns: Tensor, part: float = 1.0
) -> Changed:
    """Return what taking away this part of features does, each by itself."""
    share = torch.full((len(columns),), -part)
    sources, trial = graph.sources, Trial(model, graph.frozen, graph.sources)
    pushed = feature_push(sources, columns, share)
    told = {
        "total": path_sums(graph).effects[0, columns] * share,
        "direct": graph.of_targets.effects[0, columns] * share,
        "code": sources.code[columns],
        "decoder norm": _decoder_norms(trial, columns),
    }
    return Changed(
        {name: value.double() for name, value in told.items()},
        {regime: _measured(trial, one, pushed, regime) for regime in REGIMES},
        _switched(trial, pushed),
    )


def _measured(trial: Trial, one: PromptPairs, pushed: Push, regime: str) -> Tensor:
    rows = pushed.rows(slice(None))
    copies = one.select(torch.zeros(len(rows.positions), dtype=torch.long))
    with _regime(trial, regime, len(copies)), push(trial.model, rows.positions, rows.vectors):
        values = OUTCOME.of(trial.model.logits(copies.clean)[:, -1], {}, copies).double()
    return values[:-1] - values[-1]


def _switched(trial: Trial, pushed: Push) -> Tensor:
    rows, transcoders = pushed.rows(slice(None)), trial.frozen.transcoders
    n_rows, sites = len(rows.positions), [transcoders.site(layer) for layer in range(transcoders.n_layers)]
    with holding(trial, "replacement", n_rows), push(trial.model, rows.positions, rows.vectors):
        seen = trial.model.activations(trial.frozen.tokens.expand(n_rows, -1), sites)
    found = torch.zeros(n_rows - 1, dtype=torch.long)
    for layer, site in enumerate(sites):
        is_on = transcoders.codes(layer, seen[site])[:, int(trial.frozen.has_bos) :] != 0
        found += (is_on[:-1] != is_on[-1:]).sum((1, 2))
    return found


def _decoder_norms(trial: Trial, columns: Tensor) -> Tensor:
    sources, layers = trial.sources, trial.frozen.transcoders.layers
    norms = [one.W_dec.detach().norm(dim=1) for one in layers]
    places = zip(sources.layer[columns].tolist(), sources.feature[columns].tolist(), strict=True)
    return torch.stack([norms[layer][feature] for layer, feature in places])


@contextmanager
def _regime(trial: Trial, regime: str, n_rows: int) -> Iterator[None]:
    """Open a context in which a regime holds; one that is opened in another takes the place of its codes."""
    model, transcoders = trial.model, trial.frozen.transcoders
    if regime in ("replacement", "model"):
        with holding(trial, regime, n_rows):
            yield
        return
    if regime == "model, attention held":
        with hold(model, _attention_and_norms(trial)):
            yield
        return
    untouched = torch.zeros(n_rows, trial.frozen.n_pos, dtype=torch.bool)
    untouched[:, 0] = trial.frozen.has_bos
    standing = {"errors": trial.sources.errors[:, None], "untouched": untouched}
    if regime == "replacement, attention free":
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


def _attention_and_norms(trial: Trial) -> dict[str, Tensor]:
    kinds, layers = ("pattern", "ln1_scale", "ln2_scale"), range(trial.frozen.spec.n_layers)
    sites = [*(f"{kind}.{layer}" for kind in kinds for layer in layers), "ln_final_scale"]
    return {site: seen[0] for site, seen in trial.model.activations(trial.frozen.tokens[None], sites).items()}


def _is_on(trial: Trial, layer: int) -> Tensor:
    sources = trial.sources
    found = torch.zeros(trial.frozen.n_pos, trial.frozen.transcoders.n_features(layer), dtype=torch.bool)
    own = sources.layer == layer
    found[sources.position[own], sources.feature[own]] = True
    return found
