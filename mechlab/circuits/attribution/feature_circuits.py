"""Faithfulness of circuits of features: what is left of an outcome when only the foremost keep their codes.

1. Transcoders stand in for all MLPs; a feature outside the circuit has its mean code at every token, or none. What the
   transcoders miss is kept or dropped.
2. Circuits grow along an order of features, as by their influence in attribution graphs of other prompts.
3. They are held against as many features drawn among those that are on, and as many of the MLPs' own neurons, ordered
   by what attribution patching says that their replacement costs.
4. `f = (m(circuit) - m(none)) / (m(model) - m(none))`, each kind with its own none; CPR and CMD are MIB's.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Float64
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.seen_units import (
    Others,
    SeenUnits,
    Unit,
    leading_bos,
    neuron_sites,
    seen_features,
    seen_neurons,
)
from mechlab.circuits.outcomes import Outcome
from mechlab.circuits.patching.faithfulness import SHARES, FaithfulnessCurve, sizes_of
from mechlab.circuits.patching.slopes import gradients_at
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.keep_units import keep_features, keep_neurons
from mechlab.interventions.stand_in import errors_left
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel

Keeping = Callable[[Sequence[Unit], int], AbstractContextManager[Any]]
"""From units, and the number of a batch, to a context in which only they are what they are."""


class CircuitSettings(Config):
    """How circuits of features are made, and what they are held against."""

    shares: tuple[float, ...] = Field(default=SHARES, description="Of the features, how many each circuit keeps.")
    others: Others = Field(default="mean", description="Codes of features outside the circuit.")
    errors: Literal["kept", "dropped"] = Field(default="kept", description="What the transcoders miss of the MLPs.")
    n_random: PositiveInt = Field(default=3, description="Random circuits of each size; their outcomes are averaged.")
    seed: NonNegativeInt = Field(default=0, description="Seed of the random circuits.")


DEFAULT = CircuitSettings()


@dataclass(frozen=True, eq=False)
class FeatureCircuits:
    """Curves of circuits of growing size.

    Attributes:
        sizes: how many features, or neurons, each circuit has; shares are of the features that are on or were named.
        features, random_features, neurons: outcomes with none, of the model itself, and of each circuit.
    """

    sizes: tuple[int, ...]
    features: FaithfulnessCurve
    random_features: FaithfulnessCurve
    neurons: FaithfulnessCurve


def features_by_influence(graphs: Iterable[AttributionGraph]) -> list[Unit]:
    """Return the features of some prompts' graphs, the largest influence over all positions and graphs first."""
    total: dict[Unit, float] = {}
    for graph in graphs:
        sources = graph.sources
        found = graph.influence.columns[: len(sources.code)].tolist()
        for layer, feature, own in zip(sources.layer.tolist(), sources.feature.tolist(), found, strict=True):
            total[layer, feature] = total.get((layer, feature), 0.0) + own
    return sorted(total, key=lambda unit: -total[unit])


@torch.no_grad()
def feature_circuits(
    model: LanguageModel,
    transcoders: TranscoderSet,
    batches: Sequence[PromptPairs],
    order: Sequence[Unit],
    outcome: Outcome,
    settings: CircuitSettings = DEFAULT,
) -> FeatureCircuits:
    """Return what circuits of the foremost features do, and of as many random features and foremost neurons.

    Args:
        model: whose circuits they are.
        transcoders: whose features.
        batches: the clean prompts are read; others than the order was made on.
        order: features, the foremost first; those that are on and not named come behind them, in a drawn order.
        outcome: what is measured.
        settings: how.

    Raises:
        UsageError: there is no prompt, a feature stands twice or does not exist, or shares do not grow.

    Source: Marks et al. 2024, "Sparse Feature Circuits" (features and errors as parts of circuits); Mueller et al.
    2025, "MIB" (CPR, CMD); Dunefsky et al. 2024 (as many neurons as the baseline).
    """
    if not sum(map(len, batches)):
        raise UsageError("no prompts to run circuits on", value=len(batches), remedy="Pass the batches a task gave.")
    _refuse_odd(order, transcoders)
    codes, neurons = seen_features(model, transcoders, batches), seen_neurons(model, batches)
    draw, named = torch_generator(settings.seed, "random feature circuits"), set(order)
    whole = [*order, *_shuffled([unit for unit in codes.on if unit not in named], draw)]
    sizes = sizes_of(settings.shares, len(whole))
    of_model = _outcomes(model, batches, outcome, lambda _: nullcontext())

    def measured(units: Sequence[Unit], keeping: Keeping) -> Float64[Tensor, "n_circuits_and_two n"]:
        circuits = [units[:size] for size in (0, *sizes)]
        none, *grown = (
            _outcomes(model, batches, outcome, lambda batch, kept=kept: keeping(kept, batch)) for kept in circuits
        )
        return torch.stack([none, of_model, *grown])

    of_features = _keeping_features(model, transcoders, batches, codes, settings)
    drawn = [measured(_shuffled(whole, draw), of_features) for _ in range(settings.n_random)]
    ranked = neuron_order(model, batches, outcome, neurons.values(settings.others))
    found = (
        measured(whole, of_features),
        torch.stack(drawn).mean(0),
        measured(ranked, _keeping_neurons(model, batches, neurons, settings)),
    )
    return FeatureCircuits(tuple(sizes), *(FaithfulnessCurve(settings.shares, one) for one in found))


def neuron_order(
    model: LanguageModel, batches: Sequence[PromptPairs], outcome: Outcome, others: Sequence[Float[Tensor, "d_mlp"]]
) -> list[Unit]:
    """Return all neurons, those first whose replacement by these values changes the outcome most, to first order.

    Source: Nanda 2023, "Attribution Patching: Activation Patching at Industrial Scale".
    """
    sites, d_mlp = neuron_sites(model), model.spec.d_mlp
    total = torch.zeros(len(sites), d_mlp, dtype=torch.float64)
    for pairs in batches:
        gradients, seen = gradients_at(model, pairs, outcome, sites)
        for layer, site in enumerate(sites):
            total[layer] += ((seen[site] - others[layer]) * gradients[site]).double().sum((0, 1)).cpu()
    return [divmod(place, d_mlp) for place in total.abs().flatten().argsort(descending=True, stable=True).tolist()]


def _keeping_features(
    model: LanguageModel,
    transcoders: TranscoderSet,
    batches: Sequence[PromptPairs],
    codes: SeenUnits,
    settings: CircuitSettings,
) -> Keeping:
    others, is_kept = codes.values(settings.others), settings.errors == "kept"
    errors = [errors_left(model, transcoders, pairs.clean) if is_kept else None for pairs in batches]
    marks = [leading_bos(model, pairs) for pairs in batches]

    def keeping(units: Sequence[Unit], batch: int) -> AbstractContextManager[Any]:
        own = codes.marked(units)
        return keep_features(model, transcoders, own, others, errors=errors[batch], untouched=marks[batch])

    return keeping


def _keeping_neurons(
    model: LanguageModel, batches: Sequence[PromptPairs], neurons: SeenUnits, settings: CircuitSettings
) -> Keeping:
    others, marks = neurons.values(settings.others), [leading_bos(model, pairs) for pairs in batches]
    return lambda units, batch: keep_neurons(model, neurons.marked(units), others, untouched=marks[batch])


def _outcomes(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    outcome: Outcome,
    opened: Callable[[int], AbstractContextManager[Any]],
) -> Float64[Tensor, "n"]:
    found = []
    for batch, pairs in enumerate(batches):
        with opened(batch), model.read(*outcome.sites) as read:
            logits = model.logits(pairs.clean.to(model.device))[:, -1]
        found.append(outcome.of(logits, read, pairs).double().cpu())
    return torch.cat(found)


def _shuffled(units: Sequence[Unit], draw: torch.Generator) -> list[Unit]:
    return [units[place] for place in torch.randperm(len(units), generator=draw).tolist()]


def _refuse_odd(order: Sequence[Unit], transcoders: TranscoderSet) -> None:
    for layer, feature in order:
        if not (0 <= layer < transcoders.n_layers and 0 <= feature < transcoders.n_features(layer)):
            raise UsageError("no such feature", value=f"layer {layer}, feature {feature}")
    if len(set(order)) < len(order):
        raise UsageError("a feature stands twice in the order", value=f"{len(order) - len(set(order))} times")
