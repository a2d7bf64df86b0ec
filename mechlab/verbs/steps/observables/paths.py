"""The paths that bring most to an observable, in prompts whose roles stand at the same tokens."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from mechlab.circuits.attribution.paths import Path
from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.path_beam import BeamSearch, observable_paths
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.models.language_model import LanguageModel
from mechlab.verbs.observe_options import ObserveOptions


def alike(batches: Sequence[PromptPairs]) -> PromptPairs:
    """Return the largest set of prompts of one length with every role at one place, so that a position means one."""
    found = [pairs.select(rows) for pairs in batches for rows in _by_places(pairs)]
    return max(found, key=len)


def stored_paths(
    config: ObserveOptions, model: LanguageModel, observable: Observable, batches: Sequence[PromptPairs]
) -> dict[str, Any]:
    """Return the paths as a run stores them, the largest first: effects are means over the prompts, in nats."""
    pairs = alike(batches)
    search = BeamSearch(beam=config.beam, complete=config.complete)
    paths = observable_paths(model, pairs, observable, n=config.paths, search=search)
    places = {role: int(positions[0]) for role, positions in pairs.positions.items()}
    return {"n_prompts": len(pairs), "positions": places, "paths": [_plain(path) for path in paths]}


def _by_places(pairs: PromptPairs) -> list[torch.Tensor]:
    places = torch.stack(list(pairs.positions.values()), dim=1)
    kinds = places.unique(dim=0, return_inverse=True)[1]
    return [kinds == kind for kind in range(int(kinds.max()) + 1)]


def _plain(path: Path) -> dict[str, Any]:
    names = [step.name for step in path.steps[:-1]]
    steps = [{**asdict(step), "effect": effect} for step, effect in zip(path.steps, path.effects, strict=True)]
    return {"path": " → ".join((*names, "logits")), "effect": path.contribution, "steps": steps}
