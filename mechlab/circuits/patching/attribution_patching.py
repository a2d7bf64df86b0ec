"""Attribution patching: all nodes' scores at once, to first order, from the gradient at each node.

1. Nodes are read in both prompts, and one backward pass gives the gradient at each in the run.
2. A score is the difference between the prompts along the gradient, at the tokens that are patched.

Source: Nanda 2023, "Attribution Patching: Activation Patching at Industrial Scale".
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mechlab.circuits.outcomes import Outcome
from mechlab.circuits.patching.node_scores import NodeScores, nodes_to_patch
from mechlab.circuits.patching.settings import DEFAULT, PatchSettings, runs
from mechlab.circuits.patching.slopes import gradients_at
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.models.language_model import LanguageModel


def attribution_patching(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    outcome: Outcome,
    settings: PatchSettings = DEFAULT,
    progress: Progress = SILENT,
) -> NodeScores:
    """Return the first-order score of every node, in the outcome's unit: three passes, however many nodes.

    Args:
        model: who is asked.
        batches: the prompts.
        outcome: what nodes are worth something for.
        settings: direction, kinds of nodes, roles and rows at once.
        progress: where to report.

    Raises:
        UsageError: there is no prompt, or a role is unknown.

    Source: Nanda 2023, "Attribution Patching".
    """
    nodes, parts = nodes_to_patch(model.spec, settings.kinds, settings.at), list[Tensor]()
    sites = list(dict.fromkeys(_whole(node.site) for node in nodes))
    with progress.task("attributing nodes", sum(map(len, batches)), "prompts") as task:
        for pairs in runs(batches, settings):
            gradients, here = gradients_at(model, pairs, outcome, sites)
            other = model.activations(pairs.corrupted.to(model.device), sites)
            along = {site: ((other[site] - here[site]) * gradients[site]).sum(-1).double().cpu() for site in sites}
            scores = [
                (_own(along[_whole(node.site)], node.site) * node.where(pairs)).sum(1) * settings.sign for node in nodes
            ]
            parts.append(torch.stack(scores, dim=1))
            task.advance(len(pairs))
    return NodeScores(nodes, torch.cat(parts), outcome.name, "attribution")


def _whole(site: str) -> str:
    """Return the site that holds all heads of a layer for a head, a site itself for others."""
    return f"result.{site.split('.')[1]}" if site.startswith("head") else site


def _own(along: Tensor, site: str) -> Tensor:
    return along[..., int(site.rpartition(".")[2])] if site.startswith("head") else along
