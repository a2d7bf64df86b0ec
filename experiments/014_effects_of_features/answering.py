"""All that is asked of one seed's transcoders: effects of single features, and circuits of the foremost."""

from collections.abc import Mapping
from typing import Any

from comparing import compared
from effects import Changed, changed, foremost_and_drawn, graph_of
from keeping import circuits
from subject import one_by_one, prompts

import mechlab
from mechlab.circuits.outcomes import Outcome
from mechlab.core.randomness import torch_generator
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel

ByTask = dict[str, list[Changed]]
OUTCOMES: dict[str, Outcome] = {
    "logits": mechlab.LogitDifference(),
    "probabilities": mechlab.ProbabilityDifference(),
}


def answers(model: LanguageModel, transcoders: TranscoderSet, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return what is found: effects by group of features and part taken away, circuits by task."""
    draw, found, curves = torch_generator(seed, "drawn features"), dict[str, ByTask](), {}
    for task in settings["tasks"]:
        asked = one_by_one(prompts(model, settings, task))
        graphs = [graph_of(model, transcoders, one) for one in asked]
        for one, graph in zip(asked, graphs, strict=True):
            for group, columns in foremost_and_drawn(graph, settings["n_each"], draw).items():
                for part in settings["pushes"]:
                    own = changed(model, graph, one, columns, part)
                    found.setdefault(f"{group}, {part:g}", {}).setdefault(task, []).append(own)
        fresh = prompts(model, settings, task, settings["fresh"])
        outcome = OUTCOMES[settings["outcomes"][task]]
        curves[task] = circuits(model, transcoders, graphs, fresh, settings["circuits"], outcome)
    return {"effects": {name: _by_task(own, settings["n_shuffles"]) for name, own in found.items()}, "circuits": curves}


def _by_task(found: ByTask, n_shuffles: int) -> dict[str, Any]:
    every = {**found, "all": [one for own in found.values() for one in own]}
    return {task: compared(own, n_shuffles) for task, own in every.items()}
