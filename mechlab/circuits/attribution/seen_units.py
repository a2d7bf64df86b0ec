"""What features and neurons were over the tokens of some prompts: which are on, and what they are on average."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel

Unit = tuple[int, int]
"""A layer, and the number of a feature or a neuron in it."""
Others = Literal["mean", "zero"]


@dataclass(frozen=True, eq=False)
class SeenUnits:
    """Sums over tokens, a leading BOS left out.

    Attributes:
        totals: of each layer's units, what they sum to.
        counts: at how many tokens each was not zero.
        n_tokens: how many tokens there were.
    """

    totals: tuple[Float[Tensor, "n_units"], ...]
    counts: tuple[Int[Tensor, "n_units"], ...]
    n_tokens: int

    @property
    def on(self) -> list[Unit]:
        """Return the units that were not zero somewhere, layer by layer."""
        return [(layer, one) for layer, own in enumerate(self.counts) for one in own.nonzero().squeeze(1).tolist()]

    def values(self, kind: Others) -> tuple[Float[Tensor, "n_units"], ...]:
        """Return what units are replaced by: their means over tokens, or zeros."""
        return tuple(own / self.n_tokens if kind == "mean" else torch.zeros_like(own) for own in self.totals)

    def marked(self, units: Iterable[Unit]) -> tuple[Bool[Tensor, "n_units"], ...]:
        """Return which units of each layer are among these."""
        marks = tuple(torch.zeros_like(own, dtype=torch.bool) for own in self.totals)
        for layer, unit in units:
            marks[layer][unit] = True
        return marks


def seen_features(model: LanguageModel, transcoders: TranscoderSet, batches: Sequence[PromptPairs]) -> SeenUnits:
    """Return what features are over the clean prompts."""
    sites = [transcoders.site(layer) for layer in range(transcoders.n_layers)]
    return _seen(model, batches, sites, transcoders.codes)


def seen_neurons(model: LanguageModel, batches: Sequence[PromptPairs]) -> SeenUnits:
    """Return what the MLPs' neurons are over the clean prompts."""
    return _seen(model, batches, neuron_sites(model), lambda layer, activation: activation)


def neuron_sites(model: LanguageModel) -> list[str]:
    """Return where each layer's neurons are."""
    return [f"mlp_post.{layer}" for layer in range(model.spec.n_layers)]


def leading_bos(model: LanguageModel, pairs: PromptPairs) -> Bool[Tensor, "n pos"]:
    """Return marks of tokens that open their prompt as BOS."""
    marks = torch.zeros_like(pairs.clean, dtype=torch.bool, device=model.device)
    if model.bos_id is not None:
        marks[:, 0] = pairs.clean[:, 0].to(model.device) == model.bos_id
    return marks


@torch.no_grad()
def _seen(
    model: LanguageModel, batches: Sequence[PromptPairs], sites: list[str], units: Callable[[int, Tensor], Tensor]
) -> SeenUnits:
    parts, n_tokens = list[list[Tensor]](), 0
    for pairs in batches:
        read, marks = model.activations(pairs.clean.to(model.device), sites), ~leading_bos(model, pairs)
        parts.append([units(layer, read[site])[marks] for layer, site in enumerate(sites)])
        n_tokens += int(marks.sum())
    layers = list(zip(*parts, strict=True))
    totals = tuple(torch.stack([part.sum(0) for part in own]).sum(0) for own in layers)
    counts = tuple(torch.stack([(part != 0).sum(0) for part in own]).sum(0) for own in layers)
    return SeenUnits(totals, counts, n_tokens)
