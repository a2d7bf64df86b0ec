"""Who receives, and how well what is known from weights ranks components by what they cause."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import hypergeom, rankdata, spearmanr
from torch import Tensor

from mechlab.circuits.channels.causes import Component, ComponentTrial
from mechlab.circuits.channels.channel_map import ChannelMap
from mechlab.circuits.effects import effects
from mechlab.circuits.outcomes import AttentionDifference, LogitDifference, Outcome
from mechlab.core.randomness import numpy_generator, torch_generator
from mechlab.corpora.tasks import PAIR_TASKS
from mechlab.corpora.tasks.pairs import END, PromptPairs
from mechlab.interventions.path_changes import Receiver
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head, Mode

NAMES = ("IO", "S1", "S2")


@dataclass(frozen=True)
class Question:
    """A model, its channels, the prompts it is asked, and the settings."""

    model: LanguageModel
    map: ChannelMap
    batches: tuple[PromptPairs, ...]
    settings: dict[str, Any]


def asked_of(model: LanguageModel, settings: dict[str, Any], seed: int) -> tuple[PromptPairs, ...]:
    """Return the prompts of a seed."""
    task = PAIR_TASKS["ioi"]
    assert model.tokenizer is not None
    return task.pairs(model.tokenizer, task.config(**settings["task"], seed=seed))


def receivers_of(question: Question) -> tuple[list[dict[str, Any]], list[Head]]:
    """Return every head's attention from the last token and its direct effect, and the receivers that follow from it.

    The direct effect is what a head writes at the last token, along the right answer's unembedding less the wrong
    one's, over what the final norm divides by.
    """
    spec = question.model.spec
    heads = [(layer, head) for layer in range(spec.n_layers) for head in range(spec.n_heads)]
    rows = torch.cat([_of_heads(question.model, pairs, heads) for pairs in question.batches]).mean(0)
    table = [
        {"head": list(head), **dict(zip((*NAMES, END), row[:4], strict=True)), "direct_nats": row[4]}
        for head, row in zip(heads, rows.tolist(), strict=True)
    ]
    late = sorted((row for row in table if row["head"][0]), key=lambda row: -abs(row["direct_nats"]))
    looks = [row for row in late if sum(row[name] for name in NAMES) >= question.settings["least_attention"]]
    rest = [row for row in late if row not in looks]
    chosen = looks[: question.settings["movers"]] + rest[: question.settings["others"]]
    return table, [(row["head"][0], row["head"][1]) for row in chosen]


def ranks(question: Question, receiver: Head, mode: Mode) -> dict[str, Any]:
    """Return how well numbers known from weights rank the components before a receiver by what they cause in it.

    A component is averaged over the prompts of a batch, and the receiver alone sees it. Its effect is the mean size of
    the change over prompts.
    """
    components = components_before(question, receiver)
    trials = {
        named(one): ComponentTrial(question.map.circuits, (one,), "average", receivers=(Receiver(receiver, mode),))
        for one in components
    }
    outcomes = outcomes_of(receiver, mode)
    measured = effects(question.model, question.batches, trials, outcomes)
    known = _known_from_weights(question.map, components, receiver, mode)
    return {
        "receiver": list(receiver),
        "mode": mode,
        "n_components": len(components),
        "n_prompts": len(measured.facts),
        "outcomes": {
            name: _compared(known, change.abs(), components, question) for name, change in measured.changes.items()
        },
    }


def outcomes_of(receiver: Head, mode: Mode) -> list[Outcome]:
    """Return what is measured: the logit difference, and the receiver's scores for the name looked at, if it can be."""
    seen = [AttentionDifference(receiver, to="S2", instead=None, scores=True)] if mode != "v" else []
    return [LogitDifference(), *seen]


def components_before(question: Question, receiver: Head) -> list[Component]:
    """Return the components of all heads in earlier layers, or as many of them as the settings say, drawn."""
    sizes = question.map.circuits.ov.values.shape
    all_of_them = [
        (layer, head, number) for layer in range(receiver[0]) for head in range(sizes[1]) for number in range(sizes[2])
    ]
    order = torch.randperm(len(all_of_them), generator=torch_generator(0, "components before a receiver"))
    return [all_of_them[place] for place in sorted(order[: question.settings["most_components"]].tolist())]


def named(component: Component) -> str:
    """Return such as `1.2.0`."""
    return ".".join(map(str, component))


def _of_heads(model: LanguageModel, pairs: PromptPairs, heads: list[Head]) -> Tensor:
    sites = [f"head.{layer}.{head}" for layer, head in heads]
    patterns = [f"pattern.{layer}" for layer in range(model.spec.n_layers)]
    read = model.activations(pairs.clean, [*sites, *patterns, "ln_final_scale"])
    weights, rows = model.weights(), torch.arange(len(pairs))
    right, wrong = ((pairs.candidates * flags).sum(1) for flags in (pairs.is_right, ~pairs.is_right))
    direction = (weights.W_U[:, right] - weights.W_U[:, wrong]).T * weights.ln_final_w / read["ln_final_scale"][:, -1]
    found = []
    for (layer, head), site in zip(heads, sites, strict=True):
        looks = read[f"pattern.{layer}"][:, head, -1]
        attention = [looks[rows, pairs.positions[role]] for role in (*NAMES, END)]
        found.append(torch.stack([*attention, (read[site][:, -1] * direction).sum(1)], dim=1))
    return torch.stack(found, dim=1)


def _known_from_weights(
    found: ChannelMap, components: list[Component], receiver: Head, mode: Mode
) -> dict[str, Tensor]:
    """Return z, the score, the singular value and the value times the score of every component."""
    at = tuple(torch.tensor(components).T)
    z = found.surprises[mode].z[..., receiver[0], receiver[1]][at].double()
    score = found.scores[mode].component[..., receiver[0], receiver[1]][at].double()
    value = found.circuits.ov.values[at]
    return {"z": z, "score": score, "value": value, "value x score": value * score}


def _compared(
    known: dict[str, Tensor], sizes: Tensor, components: list[Component], question: Question
) -> dict[str, Any]:
    """Return rank correlations with intervals over prompts, how many of the top are shared, and the largest effects."""
    effect, n_top = sizes.mean(1), question.settings["top"]
    generator = numpy_generator(0, "redrawn prompts")
    redrawn = [sizes[:, generator.integers(0, sizes.shape[1], sizes.shape[1])].mean(1) for _ in range(200)]
    top = set(effect.argsort(descending=True)[:n_top].tolist())
    shuffled = torch.from_numpy(numpy_generator(0, "shuffled components").permutation(len(effect)))
    found: dict[str, Any] = {}
    for name, values in (known | {"shuffled": known["z"][shuffled]}).items():
        draws = [float(spearmanr(values, one)[0]) for one in redrawn]
        shared = len(top & set(values.argsort(descending=True)[:n_top].tolist()))
        found[name] = {
            "spearman": [
                round(float(one), 3) for one in (spearmanr(values, effect)[0], *np.quantile(draws, [0.025, 0.975]))
            ],
            "given_value": round(_partial(values, effect, known["value"]), 3),
            "top_shared": shared,
            "p_top": float(hypergeom.sf(shared - 1, len(effect), n_top, n_top)),
        }
    order = effect.argsort(descending=True)[:n_top].tolist()
    found["largest"] = [
        [named(components[place]), round(float(effect[place]), 4), round(float(known["z"][place]), 2)]
        for place in order
    ]
    by_z = known["z"].argsort(descending=True)[:n_top].tolist()
    found["by_z"] = [
        [named(components[place]), round(float(effect[place]), 4), round(float(known["z"][place]), 2)] for place in by_z
    ]
    return found


def _partial(x: Tensor, y: Tensor, given: Tensor) -> float:
    """Return the rank correlation of two that is left when both are freed of what a third explains."""
    ranked = [rankdata(one.numpy()) for one in (x, y, given)]
    if np.array_equal(ranked[0], ranked[2]):
        return 0.0
    xy, xg, yg = (float(np.corrcoef(ranked[i], ranked[j])[0, 1]) for i, j in ((0, 1), (0, 2), (1, 2)))
    return (xy - xg * yg) / float(np.sqrt((1 - xg**2) * (1 - yg**2)))
