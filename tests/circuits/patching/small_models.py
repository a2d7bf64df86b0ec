"""Tiny models of two families beside the reference library's own, in float64 where nothing rounds."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from circuits.asked_pairs import random_pairs
from oracles.lens_edges import LensEdges
from oracles.tiny_models import tiny

from mechlab.circuits.outcomes import LogitDifference
from mechlab.circuits.patching.edge_patching import edge_patching
from mechlab.circuits.patching.edge_scores import EdgeScores
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.wiring import Wiring, wiring_of
from mechlab.models.huggingface import HuggingFaceModel


@dataclass(frozen=True)
class Small:
    """A model, its wiring, the reference's copy, prompts, and how far two computations of one number may differ."""

    model: HuggingFaceModel
    wiring: Wiring
    lens: LensEdges
    pairs: PromptPairs
    tolerance: float

    def names(self, edge: tuple[int, int]) -> tuple[str, str]:
        """Return the names of an edge's ends."""
        return self.wiring.sources[edge[0]], self.wiring.readers[edge[1]].name


@lru_cache(maxsize=4)
def small(family: str) -> Small:
    """Return one; RMS norms of the library round to float32, so only `gpt2` is exact."""
    hf_model = tiny(family)
    hf_model = hf_model.double() if family == "gpt2" else hf_model
    model = HuggingFaceModel(hf_model)
    return Small(model, wiring_of(model), LensEdges(hf_model), random_pairs(3), 1e-9 if family == "gpt2" else 3e-5)


@lru_cache(maxsize=4)
def exact(family: str) -> EdgeScores:
    """Return the exact scores of all its edges."""
    found = small(family)
    return edge_patching(found.model, [found.pairs], LogitDifference())


def some_edges(found: Small, n: int, seed: int = 0) -> list[tuple[int, int]]:
    """Return some edges drawn at random, and some into each kind of reader."""
    ends = found.wiring.is_edge.nonzero().tolist()
    order = torch.randperm(len(ends), generator=torch.Generator().manual_seed(seed)).tolist()
    drawn = [(int(ends[place][0]), int(ends[place][1])) for place in order]
    kinds = {found.wiring.readers[reader].reading: (source, reader) for source, reader in drawn}
    return [*kinds.values(), *drawn[:n]]
