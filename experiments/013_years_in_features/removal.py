"""What is left of the answer without the path: features no longer see what a head brings them from the year's token.

1. What the head writes at the last token from one position is taken away, or exchanged for what it writes where the
   prompt's first year is the earliest there is.
2. Only the path's features see that: they are encoded again from it, and the MLP writes what their codes change.
3. Everything behind goes on in the model as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from routes import Feature
from subject import Subject, asked, mean
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.path_changes import norm_gain
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.sites import Head


@dataclass(frozen=True)
class Way:
    """From a token (by role, or so many tokens before the end) through a head to features at the last token.

    Attributes:
        exchanged: whether the head's part is exchanged for the corrupted prompt's; else it is taken away.
        drawn: a seed, where a vector as long in a drawn direction is taken away instead.
    """

    head: Head
    source: str | int
    features: tuple[Feature, ...]
    exchanged: bool = False
    drawn: int | None = None


def left_without(subject: Subject, transcoders: TranscoderSet, way: Way) -> Tensor:
    """Return the probability difference of every prompt tested on without a way."""
    return torch.cat([_without(subject, transcoders, way, pairs) for pairs in subject.tested_on])


def judged(
    subject: Subject,
    transcoders: TranscoderSet,
    way: Way,
    active: Sequence[Feature],
    settings: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Return which part of the probability difference goes with a path, and with drawn ones of its size."""
    clean = torch.cat([asked(subject.model, pairs) for pairs in subject.tested_on])
    draw = torch_generator(seed, "drawn paths")
    others = [one for one in active if one not in way.features]
    every = tuple(
        (layer, number) for layer in {one[0] for one in way.features} for number in range(_width(transcoders))
    )
    drawn: dict[str, list[Way]] = {name: [] for name in ("path", "features", "head and token", "direction")}
    for number in range(settings["n_drawn"]):
        head, source, features = _drawn_head(subject, way, draw), _drawn_source(subject, draw), _like(way, others, draw)
        drawn["path"].append(Way(head, source, features))
        drawn["features"].append(replace(way, features=features))
        drawn["head and token"].append(Way(head, source, way.features))
        drawn["direction"].append(replace(way, drawn=number))
    ways = {"path": [way], "path to all features": [replace(way, features=every)]}
    ways |= {f"drawn {name}": of_name for name, of_name in drawn.items()}
    ways |= {
        f"{name} exchanged": [replace(one, exchanged=True) for one in of_name]
        for name, of_name in ways.items()
        if name != "drawn direction"
    }
    found: dict[str, Any] = {"clean": mean(clean), "n_features": len(way.features), "n_others_on": len(others)}
    for name, of_name in ways.items():
        lost = torch.stack([clean - left_without(subject, transcoders, one) for one in of_name]) / clean.mean()
        largest = round(float(lost.mean(1).max()), 5)
        found[name] = {"share lost": mean(lost.mean(0)), **({"largest": largest} if len(of_name) > 1 else {})}
    return found


def active_features(subject: Subject, transcoders: TranscoderSet, layers: Sequence[int]) -> list[Feature]:
    """Return the features of some layers that are ever on at the last token of prompts to choose by."""
    found = []
    for layer in layers:
        site = transcoders.site(layer)
        reads = [subject.model.activations(pairs.clean, [site])[site][:, -1] for pairs in subject.chosen_by]
        is_on = transcoders.codes(layer, torch.cat(reads)).gt(0).any(0)
        found += [(layer, number) for number in is_on.nonzero().squeeze(1).tolist()]
    return found


def _without(subject: Subject, transcoders: TranscoderSet, way: Way, pairs: PromptPairs) -> Tensor:
    model, change, seen = subject.model, _change(subject, way, pairs), dict[str, Tensor]()
    edits: dict[str, Any] = {}

    def noting(name: str) -> Any:
        def note(activation: Tensor) -> Tensor:
            seen[name] = activation
            return activation

        return note

    def writing(layer: int) -> Any:
        own = torch.tensor([number for at, number in way.features if at == layer])

        def write(out: Tensor) -> Tensor:
            stream, scale, read = (seen[name][:, -1:] for name in _places(transcoders, layer))
            gain = norm_gain(stream, stream + change[:, None], scale, model.spec)
            now, then = (transcoders.codes(layer, one[:, 0])[:, own] for one in (read, read + gain))
            out = out.clone()
            out[:, -1] += (then - now) @ transcoders.writers(layer, own, layer)
            return out

        return write

    for layer in sorted({at for at, _ in way.features if at >= way.head[0]}):
        edits |= {name: noting(name) for name in _places(transcoders, layer)}
        edits[f"mlp_out.{layer}"] = writing(layer)
    with model.edit(edits):
        return asked(model, pairs)


def _places(transcoders: TranscoderSet, layer: int) -> tuple[str, str, str]:
    return f"resid_mid.{layer}", f"ln2_scale.{layer}", transcoders.site(layer)


def _change(subject: Subject, way: Way, pairs: PromptPairs) -> Tensor:
    """Return what is added to what the features see of the stream at the last token."""
    brought = _brought(subject, way, pairs, pairs.clean)
    if way.exchanged:
        return _brought(subject, way, pairs, pairs.corrupted) - brought
    if way.drawn is not None:
        noise = torch.randn(brought.shape, generator=torch_generator(way.drawn, "drawn directions of a path"))
        return noise * (brought.norm(dim=-1) / noise.norm(dim=-1))[:, None]
    return -brought


def _brought(subject: Subject, way: Way, pairs: PromptPairs, tokens: Tensor) -> Tensor:
    """Return what the head writes at the last token from the way's token."""
    layer, head = way.head
    seen = subject.model.activations(tokens, [f"pattern.{layer}", f"v.{layer}"])
    rows = torch.arange(len(pairs))
    source = pairs.positions[way.source] if isinstance(way.source, str) else tokens.shape[1] - way.source + 0 * rows
    values = seen[f"v.{layer}"].view(len(pairs), tokens.shape[1], -1, subject.model.spec.d_head)
    looks = seen[f"pattern.{layer}"][rows, head, -1, source]
    return looks[:, None] * (values[rows, source, head] @ subject.model.weights().layers[layer].W_O[head])


def _like(way: Way, others: Sequence[Feature], draw: torch.Generator) -> tuple[Feature, ...]:
    """Return as many other features of each layer."""
    found: list[Feature] = []
    for layer in sorted({at for at, _ in way.features}):
        pool = [one for one in others if one[0] == layer]
        n = sum(at == layer for at, _ in way.features)
        found += [pool[place] for place in torch.randperm(len(pool), generator=draw)[:n].tolist()]
    return tuple(found)


def _drawn_head(subject: Subject, way: Way, draw: torch.Generator) -> Head:
    n_heads, last = subject.model.spec.n_heads, min(at for at, _ in way.features)
    heads = [(layer, head) for layer in range(last + 1) for head in range(n_heads) if (layer, head) != way.head]
    return heads[int(torch.randint(len(heads), (1,), generator=draw))]


def _drawn_source(subject: Subject, draw: torch.Generator) -> int:
    """Return how far before the end a token stands: any of the shortest layout, but the first."""
    return int(torch.randint(1, min(pairs.clean.shape[1] for pairs in subject.tested_on), (1,), generator=draw))


def _width(transcoders: TranscoderSet) -> int:
    return transcoders.layers[0].config.d_sae
