"""Every edge's score by every method, and how well the approximate ones rank the edges by the exact one."""

from collections.abc import Sequence
from time import process_time
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

import mechlab
from mechlab.circuits.patching.edge_scores import EdgeScores, edge_name
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.metrics.bootstrap import resampled
from mechlab.models.language_model import LanguageModel

OUTCOME = mechlab.LogitDifference()
CHEAP = ("eap", "eap-ig")


def scored(model: LanguageModel, batches: Sequence[PromptPairs], settings: dict[str, Any]) -> dict[str, EdgeScores]:
    """Return all edges' scores by every method."""
    return {
        "exact": mechlab.edge_patching(model, batches, OUTCOME),
        "eap": mechlab.eap(model, batches, OUTCOME),
        "eap-ig": mechlab.eap_ig(model, batches, OUTCOME, mechlab.PatchSettings(steps=settings["steps"])),
    }


def agreement(scores: EdgeScores, exact: EdgeScores, n_shuffles: int) -> dict[str, Any]:
    """Return rank correlations of sizes and of signed scores over edges, with intervals over prompts and a control."""
    own, other = (one.values[:, one.wiring.is_edge].double() for one in (scores, exact))
    redrawn = [totals / len(own) for totals in map(resampled, (own, other))]
    by_size, signed = [], []
    for mine, its in zip(*redrawn, strict=True):
        by_size.append(spearman(mine.abs(), its.abs()))
        signed.append(spearman(mine, its))
    generator = torch_generator(0, "shuffled edges")
    sizes, mean = own.mean(0).abs(), other.mean(0).abs()
    shuffled = [spearman(sizes[torch.randperm(len(sizes), generator=generator)], mean) for _ in range(n_shuffles)]
    matters = mean >= mean.max() / 100
    return {
        "spearman of sizes": with_interval(by_size),
        "spearman, signed": with_interval(signed),
        "spearman of sizes, shuffled, largest": max(shuffled),
        "spearman, signed, edges of 1 % of the largest and more": [
            spearman(own.mean(0)[matters], other.mean(0)[matters]),
            int(matters.sum()),
        ],
        "pearson": float(np.corrcoef(own.mean(0), other.mean(0))[0, 1]),
    }


def spearman(first: Tensor, second: Tensor) -> float:
    """Return a rank correlation."""
    return float(np.corrcoef(rankdata(first.numpy()), rankdata(second.numpy()))[0, 1])


def with_interval(values: Sequence[float]) -> list[float]:
    """Return the first value and the 95 % interval of the others, which are its redraws."""
    return [values[0], *np.percentile(values[1:], [2.5, 97.5]).tolist()]


def strongest(scores: EdgeScores, n: int = 12) -> dict[str, float]:
    """Return the edges with the largest scores, whatever their sign."""
    edges = scores.graph().strongest(n).edges
    return {edge_name(edge.source, f"{edge.target} {edge.route}".strip()): edge.effect for edge in edges}


def timed(model: LanguageModel, batches: Sequence[PromptPairs], settings: dict[str, Any]) -> dict[str, list[float]]:
    """Return CPU seconds of a clean pass and of all edges' scores, taken in turns."""
    found: dict[str, list[float]] = {name: [] for name in ("pass", *CHEAP)}
    for _ in range(settings["rounds"]):
        for name, spent in found.items():
            begin = process_time()
            if name == "pass":
                with torch.no_grad():
                    [model.logits(pairs.clean) for pairs in batches]
            else:
                method = {"eap": mechlab.eap, "eap-ig": mechlab.eap_ig}[name]
                method(model, batches, OUTCOME, mechlab.PatchSettings(steps=settings["steps"]))
            spent.append(process_time() - begin)
    return found
