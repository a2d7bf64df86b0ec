"""How few features, and how few neurons, of one MLP the answer needs: all others are what they are on average.

1. At the last token, features and neurons are ranked by the variance of their activation over prompts to choose by.
2. On other prompts, the first n stay and the others have their mean over the prompts chosen by: the MLP writes its mean
   and what the first n add to it.
3. Controls: n drawn features, n drawn neurons, among those that are ever on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from subject import Subject, asked, mean
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.transcoder_set import TranscoderSet


@dataclass(frozen=True, eq=False)
class Units:
    """Features or neurons of one MLP at the last token.

    Attributes:
        site: where they are read from.
        of: their activations, from what is read there.
        writers: what an activation of 1 adds to what the MLP writes.
    """

    site: str
    of: Callable[[Tensor], Tensor]
    writers: Tensor


def layer_of_answer(subject: Subject) -> tuple[int, dict[str, list[float]]]:
    """Return the layer whose MLP the answer needs most, by prompts to choose by, and what every layer's costs.

    At the last token the MLP writes its mean over the prompts of a layout.
    """
    clean = torch.cat([asked(subject.model, pairs) for pairs in subject.chosen_by])
    lost = {}
    for layer in subject.layers:
        with subject.model.edit({f"mlp_out.{layer}": _last(lambda out: out.mean(0, keepdim=True).expand_as(out))}):
            without = torch.cat([asked(subject.model, pairs) for pairs in subject.chosen_by])
        lost[layer] = clean - without
    found = {str(layer): mean(values) for layer, values in lost.items()}
    return max(lost, key=lambda layer: float(lost[layer].mean())), found


def units_of(subject: Subject, transcoders: TranscoderSet, layer: int) -> dict[str, Units]:
    """Return the features and the neurons of a layer's MLP."""
    own = torch.arange(transcoders.layers[layer].config.d_sae)
    writers = transcoders.writers(layer, own, layer)
    out = subject.model.weights().layers[layer].W_out
    return {
        "features": Units(transcoders.site(layer), lambda read: transcoders.codes(layer, read), writers),
        "neurons": Units(f"mlp_post.{layer}", lambda read: read, out),
    }


def curve(subject: Subject, transcoders: TranscoderSet, layer: int, settings: Mapping[str, Any], seed: int) -> dict:
    """Return the probability difference against the number of features, of neurons, and of drawn ones."""
    found: dict[str, Any] = {"model": mean(torch.cat([asked(subject.model, pairs) for pairs in subject.tested_on]))}
    draw = torch_generator(seed, "drawn units")
    for name, units in units_of(subject, transcoders, layer).items():
        chosen_by = torch.cat([_activations(subject, units, pairs) for pairs in subject.chosen_by])
        average, rank = chosen_by.mean(0), chosen_by.var(0).argsort(descending=True, stable=True)
        ever_on = rank[chosen_by.var(0)[rank] > 0]
        out = _mean_written(subject, layer)
        found[name] = {"n_ever_on": len(ever_on)}
        for n in settings["n_kept"]:
            drawn = [ever_on[torch.randperm(len(ever_on), generator=draw)[:n]] for _ in range(settings["n_drawn"])]
            kept = {"first": [ever_on[:n]], "drawn": drawn if n < len(ever_on) else []}
            for which, sets in kept.items():
                values = [_kept(subject, units, layer, one, average, out) for one in sets]
                if values:
                    found[name].setdefault(which, {})[str(n)] = mean(torch.stack(values).mean(0))
    return found


def _kept(subject: Subject, units: Units, layer: int, kept: Tensor, average: Tensor, out: Tensor) -> Tensor:
    """Return the probability difference of every prompt tested on where only some units differ from their mean."""
    found = []
    for pairs in subject.tested_on:
        moved = (_activations(subject, units, pairs)[:, kept] - average[kept]) @ units.writers[kept]
        with subject.model.edit({f"mlp_out.{layer}": _last(lambda _, moved=moved: out + moved)}):
            found.append(asked(subject.model, pairs))
    return torch.cat(found)


def _activations(subject: Subject, units: Units, pairs: PromptPairs) -> Tensor:
    return units.of(subject.model.activations(pairs.clean, [units.site])[units.site][:, -1])


def _mean_written(subject: Subject, layer: int) -> Tensor:
    site = f"mlp_out.{layer}"
    return torch.cat([subject.model.activations(pairs.clean, [site])[site][:, -1] for pairs in subject.chosen_by]).mean(
        0
    )


def _last(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def changed(activation: Tensor) -> Tensor:
        activation = activation.clone()
        activation[:, -1] = change(activation[:, -1])
        return activation

    return changed
