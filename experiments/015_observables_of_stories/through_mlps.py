"""An observable handed back to a head through the MLPs behind it, too: they are linearised at prompts without labels.

1. Prompts are drawn; nobody says of which class they are.
2. In each, the direction goes from the logits down through every MLP from the head's layer on, at the last token, the
   stream passing beside; then through the head. Or it stays in the stream in front of a layer's MLP.
3. The directions are averaged.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float64, Int
from torch import Tensor

import mechlab
from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.pulling import NormRules
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head

Prompt = Int[Tensor, "1 pos"]
RULES = NormRules(heads="cheap")


def unlabelled(batches: Sequence[PromptPairs], n: int, seed: int) -> list[Prompt]:
    """Return so many prompts, each one of a pair's two."""
    draw, sizes = torch_generator(seed, "prompts without labels"), [len(pairs) for pairs in batches]
    places = [(number, row) for number, size in enumerate(sizes) for row in range(size)]
    found = list[Prompt]()
    for place in torch.randperm(len(places), generator=draw)[:n].tolist():
        number, row = places[place]
        side = batches[number].clean if torch.rand(1, generator=draw) < 0.5 else batches[number].corrupted
        found.append(side[row : row + 1])
    return found


def through_mlps(
    model: LanguageModel, observable: Observable, head: Head, prompts: Sequence[Prompt]
) -> Float64[Tensor, "d_model"]:
    """Return the mean direction of what a head reads behind its norm."""
    path, found = [f"head.{head[0]}.{head[1]}", *_mlps(model, head[0])], list[Tensor]()
    for tokens in prompts:
        points = mechlab.prompt_points(model, tokens, path, [-1] * len(path))
        del points[path[0]]  # what the head reads is asked for everywhere, not at one token
        found.append(mechlab.observable_directions(model, observable, path, points, RULES)[-1].read.double())
    return torch.stack(found).mean(0)


def before_mlps(
    model: LanguageModel, observable: Observable, layer: int, prompts: Sequence[Prompt]
) -> Float64[Tensor, "d_model"]:
    """Return the mean direction of the stream in front of a layer's MLP that moves the observable at that token."""
    path, found = _mlps(model, layer), list[Tensor]()
    for tokens in prompts:
        points = mechlab.prompt_points(model, tokens, path, [-1] * len(path))
        found.append(mechlab.observable_directions(model, observable, path, points, RULES)[-1].stream.double())
    return torch.stack(found).mean(0)


def _mlps(model: LanguageModel, layer: int) -> list[str]:
    return [*(f"mlp.{one}+" for one in range(layer, model.spec.n_layers)), "logits"]
