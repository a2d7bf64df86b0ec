"""By how much two attribution graphs of the same pass differ, kind by kind."""

from typing import Any

import torch

from mechlab.circuits.attribution.attribution_graph import AttributionGraph


def differences(own: AttributionGraph, other: Any) -> dict[str, float]:
    """Return the largest difference of effects by kind of source, and the largest effect of features on features.

    Args:
        own: our graph, all features traced.
        other: circuit-tracer's; its columns are features, errors, tokens and logits.
    """
    sources, matrix = own.sources, other.adjacency_matrix
    n, starts, n_targets = len(sources.code), sources.starts, len(own.targets)
    places = torch.stack([sources.layer, sources.position, sources.feature], dim=1)
    assert torch.equal(places, other.active_features.to(places.dtype)), "other features are on"
    rows = torch.cat([own.of_features.effects, own.of_targets.effects])
    theirs = torch.cat([matrix[:n], matrix[-n_targets:]])
    n_ends = starts["positions"] - starts["features"]
    apart = (theirs[:, :n_ends] - rows[:, :n_ends]).abs()
    kinds = {"features": (0, n), "errors": (n, starts["tokens"]), "tokens": (starts["tokens"], n_ends)}
    found = {kind: float(apart[:, first:last].max()) for kind, (first, last) in kinds.items()}
    return {**found, "largest_effect": float(rows[:, :n].abs().max())}
