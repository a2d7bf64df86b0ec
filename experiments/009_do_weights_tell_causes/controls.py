"""What single components cause on fresh prompts, in every way, beside directions of the same size and other heads."""

from typing import Any

import torch
from measuring import Question, named, outcomes_of
from torch import Tensor

from mechlab.circuits.channels.causes import Component, ComponentTrial
from mechlab.circuits.effects import Effects, effects
from mechlab.interventions.path_changes import Receiver
from mechlab.metrics.bootstrap import mean_estimate


def controlled(question: Question, row: dict[str, Any]) -> dict[str, Any]:
    """Return the effects on a receiver's logit difference of the components first by z and first by effect.

    Every number is a mean over prompts with its interval; that of drawn directions is over prompts and draws.
    """
    receiver = Receiver((row["receiver"][0], row["receiver"][1]), row["mode"])
    lists, n = row["outcomes"]["logit_difference"], question.settings["shown"]
    found: dict[str, Any] = {"receiver": row["receiver"], "mode": row["mode"]}
    for name in ("by_z", "largest"):
        components = [component_of(one[0]) for one in lists[name][:n]]
        trials = _trials(question, components, receiver)
        measured = effects(question.model, question.batches, trials, outcomes_of(receiver.head, receiver.mode)[:1])
        found[name] = {
            "together": _joint(measured, components),
            "single": [_single(measured, one, question.settings["draws"]) for one in components],
        }
    return found


def component_of(name: str) -> Component:
    """Return the component a name stands for."""
    layer, head, number = map(int, name.split("."))
    return layer, head, number


def _trials(question: Question, components: list[Component], receiver: Receiver) -> dict[str, ComponentTrial]:
    circuits, path = question.map.circuits, {"receivers": (receiver,)}
    n_heads = circuits.n_heads
    trials: dict[str, ComponentTrial] = {
        "all path": ComponentTrial(circuits, tuple(components), **path),
        "all total": ComponentTrial(circuits, tuple(components)),
    }
    for layer, head, number in components:
        one = ((layer, head, number),)
        name = named(one[0])
        trials |= {
            f"{name} path": ComponentTrial(circuits, one, **path),
            f"{name} path amplified": ComponentTrial(circuits, one, "amplify", **path),
            f"{name} path exchanged": ComponentTrial(circuits, one, "exchange", **path),
            f"{name} total": ComponentTrial(circuits, one),
            f"{name} total restricted": ComponentTrial(circuits, one, seen_by=receiver),
            f"{name} logits": ComponentTrial(circuits, one, logits=True),
        }
        for draw in range(question.settings["draws"]):
            trials[f"{name} drawn {draw}"] = ComponentTrial(circuits, one, control=draw, **path)
        for other in range(n_heads):
            if other != head:
                trials[f"{name} head {other}"] = ComponentTrial(circuits, ((layer, other, number),), **path)
    return trials


def _single(measured: Effects, component: Component, n_draws: int) -> dict[str, Any]:
    name = named(component)
    found: dict[str, Any] = {"component": name}
    for way in ("path", "path amplified", "path exchanged", "total", "total restricted", "logits"):
        found[way] = _interval(measured.of(f"{name} {way}", "logit_difference"))
    drawn = torch.stack([measured.of(f"{name} drawn {draw}", "logit_difference") for draw in range(n_draws)])
    found["drawn, mean size"] = round(float(drawn.mean(1).abs().mean()), 4)
    found["drawn, largest"] = round(float(drawn.mean(1).abs().max()), 4)
    others = [trial for trial in measured.trials if trial.startswith(f"{name} head ")]
    found["other heads, largest"] = max(
        round(abs(float(measured.of(one, "logit_difference").mean())), 4) for one in others
    )
    return found


def _joint(measured: Effects, components: list[Component]) -> dict[str, Any]:
    """Return what all do together beside the sum of what each does alone: later layers may repair single losses."""
    found: dict[str, Any] = {"components": [named(one) for one in components]}
    for way in ("path", "total"):
        alone = torch.stack([measured.of(f"{named(one)} {way}", "logit_difference") for one in components]).sum(0)
        found[way] = _interval(measured.of(f"all {way}", "logit_difference"))
        found[f"{way}, sum of single"] = _interval(alone)
    return found


def _interval(values: Tensor) -> list[float]:
    found = mean_estimate(values)
    assert found is not None
    return [round(one, 4) for one in (found.value, found.low, found.high)]
