"""Activation patching: one node at a time holds what it held in the other prompt, and all that comes after follows.

Source: Vig et al. 2020 and Meng et al. 2022 (causal tracing); Heimersheim & Nanda 2024 for both directions.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mechlab.circuits.effects import Asked, effects
from mechlab.circuits.outcomes import Outcome
from mechlab.circuits.patching.node_scores import NodeScores, Patched, nodes_to_patch
from mechlab.circuits.patching.settings import DEFAULT, PatchSettings, runs
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.replace import replace
from mechlab.models.language_model import LanguageModel


@dataclass(frozen=True)
class PatchTrial:
    """A node that holds what it held in the corrupted prompts; `among` are the sites of all trials, read together."""

    patched: Patched
    among: tuple[str, ...] = ()

    def __call__(self, asked: Asked) -> AbstractContextManager[Any]:
        """Return a context in which it is patched."""
        site, pairs = self.patched.site, asked.pairs

        def other(activation: Tensor) -> Tensor:
            return asked.corrupted_at(site, self.among)

        asked.corrupted_at(site, self.among)  # before the edit is open
        return replace(asked.model, site, other, untouched=~self.patched.where(pairs))


@torch.no_grad()
def activation_patching(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    outcome: Outcome,
    settings: PatchSettings = DEFAULT,
    progress: Progress = SILENT,
) -> NodeScores:
    """Return the exact score of every node, in the outcome's unit: as many runs of the prompts as there are nodes.

    Args:
        model: who is asked.
        batches: the prompts.
        outcome: what nodes are worth something for.
        settings: direction, kinds of nodes, roles and rows at once.
        progress: where to report.

    Raises:
        UsageError: there is no prompt, or a role is unknown.

    Source: Vig et al. 2020; Meng et al. 2022; Heimersheim & Nanda 2024.
    """
    nodes = nodes_to_patch(model.spec, settings.kinds, settings.at)
    sites = tuple(dict.fromkeys(node.site for node in nodes))
    trials = {node.name: PatchTrial(node, sites) for node in nodes}
    parts = []
    with progress.task("patching nodes", sum(map(len, batches)), "prompts") as task:
        for pairs in runs(batches, settings):
            found = effects(model, [pairs], trials, [outcome], rows_at_once=settings.rows_at_once)
            parts.append(settings.sign * found.changes[outcome.name].T)
            task.advance(len(pairs))
    return NodeScores(nodes, torch.cat(parts), outcome.name, "activation")
